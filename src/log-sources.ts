import { join } from "node:path";
import type { Logs } from "./logs/logs.ts";
import type { Operations } from "./operations/operations.ts";
import type { LogSources } from "./rpc/log-handlers.ts";
import type { Registry } from "./services/registry.ts";
import type { Services } from "./services/services.ts";
import { isOver } from "./services/state.ts";

export interface LogSourcesDependencies {
  readonly logs: Logs;
  readonly services: Services;
  readonly registry: Registry;
  readonly operations: Operations;
  /** Resolves once every living service of an earlier server has its life here. */
  readonly reconciled: Promise<void>;
  readonly servicesDirectory: string;
  readonly operationsDirectory: string;
}

/** Where the output of a service or of an operation lies, and whether more of it can come. */
export function createLogSources(deps: LogSourcesDependencies): LogSources {
  return {
    async open(source) {
      if (source.kind === "service") {
        const { serviceId } = source;
        await deps.reconciled;
        const stored = await deps.services.get(serviceId);
        const life = deps.registry.get(serviceId);
        return {
          log: await deps.logs.open(join(deps.servicesDirectory, serviceId)),
          serviceId,
          serviceName: stored.serviceName,
          operationId: "",
          ended() {
            const { state, exit } = life?.row() ?? stored;
            if (!isOver(state)) return undefined;
            return exit === undefined ? {} : { exit };
          },
        };
      }
      const { operationId } = await deps.operations.get(source.operationId);
      return {
        log: await deps.logs.open(join(deps.operationsDirectory, operationId)),
        serviceId: "",
        serviceName: "",
        operationId,
        ended: () => (deps.operations.isRunning(operationId) ? undefined : {}),
      };
    },
  };
}
