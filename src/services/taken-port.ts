import type { Service } from "../model/service.ts";
import type { Instance } from "../supervisor/instance.ts";
import { portIsFree } from "../supervisor/listeners.ts";
import { portsOf } from "./validate-spec.ts";

/** A port of a service on which somebody else listens. */
export interface TakenPort {
  readonly port: number;
  /** It was chosen for the service: another number does as well. */
  readonly automatic: boolean;
}

/**
 * Looks at who listens, not at what the program said. Nothing is found where another's listener is meant
 * (`listener: ANY`), or where the platform cannot tell.
 */
export async function findTakenPort(
  { spec, ports }: Service,
  instance: Pick<Instance, "listener">,
): Promise<TakenPort | undefined> {
  if (spec.readiness?.listener === "ANY") return undefined;
  for (const { portName, port: asked } of portsOf(spec)) {
    const port = ports[portName];
    if (port === undefined || (await portIsFree(port))) continue;
    if ((await instance.listener(port)) === "FOREIGN") {
      return { port, automatic: asked.port === "auto" };
    }
  }
  return undefined;
}
