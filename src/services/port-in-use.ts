import { RuntimeError } from "../errors.ts";
import type { Service } from "../model/service.ts";
import type { Store } from "../store/store.ts";
import { identityOf } from "./identity.ts";

/** Who asked for a port that another has. */
export interface PortAsker {
  readonly serviceId: string;
  readonly serviceName: string;
  readonly companyId: string;
  readonly reuseKey: string;
  readonly adapterEnv: Readonly<Record<string, string>>;
}

/** Who has it, as far as that is known. */
export interface PortHolder {
  readonly pid: number | undefined;
  readonly serviceId: string | undefined;
}

export interface PortInUseDependencies {
  readonly store: Pick<Store, "services">;
  /** The adapter's variables that a live service was started with; undefined when they are not kept. */
  readonly adapterEnvOf: (
    serviceId: string,
  ) => Promise<Readonly<Record<string, string>> | undefined>;
}

/**
 * PORT_IN_USE with port, pid and, within the company, the service. When that is the asker's own with other adapter
 * variables, it says which keys differ, never a value.
 */
export async function portInUse(
  deps: PortInUseDependencies,
  asker: PortAsker,
  port: number,
  { pid, serviceId }: PortHolder,
): Promise<RuntimeError> {
  const found = serviceId === undefined ? undefined : await deps.store.services.get(serviceId);
  const service = found?.companyId === asker.companyId ? found : undefined;
  const keys = service === undefined ? [] : await differingKeys(deps, asker, service);
  const who =
    service !== undefined
      ? `service ${service.serviceName} (${service.serviceId})`
      : pid !== undefined
        ? `pid ${pid}`
        : "another process";
  const advice =
    keys.length > 0
      ? `that is this service, started with other adapter variables (${keys.join(", ")}): stop it, leave them out (adapter_env_mode), or ask for an automatic port`
      : "stop that, or ask for an automatic port";
  return new RuntimeError(
    "PORT_IN_USE",
    `${asker.serviceName} needs port ${port}, which ${who} uses: ${advice}`,
    {
      metadata: {
        port,
        pid,
        service_id: service?.serviceId,
        service_name: service?.serviceName,
        differing_keys: keys.length > 0 ? keys.join(",") : undefined,
      },
    },
  );
}

async function differingKeys(
  deps: PortInUseDependencies,
  asker: PortAsker,
  service: Service,
): Promise<string[]> {
  if (identityOf(asker.reuseKey).base !== identityOf(service.reuseKey).base) return [];
  const theirs = await deps.adapterEnvOf(service.serviceId);
  if (theirs === undefined) return [];
  const keys = new Set([...Object.keys(asker.adapterEnv), ...Object.keys(theirs)]);
  return [...keys].filter((key) => asker.adapterEnv[key] !== theirs[key]).sort();
}
