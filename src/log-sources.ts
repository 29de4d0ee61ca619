import { existsSync } from "node:fs";
import { join } from "node:path";
import { invalidField, type RuntimeError } from "./errors.ts";
import type { Logs } from "./logs/logs.ts";
import type { Service } from "./model/service.ts";
import type { Operations } from "./operations/operations.ts";
import type { LogSourceId, LogSources } from "./runs/log-source.ts";
import type { Registry } from "./services/registry.ts";
import type { Services } from "./services/services.ts";
import { isOver } from "./services/state.ts";

export interface LogSourcesDependencies {
  readonly logs: Logs;
  readonly services: Services;
  readonly registry: Registry;
  readonly operations: Operations;
  /** Resolves once all that lives of an earlier server, services and commands, is known here. */
  readonly reconciled: Promise<void>;
  readonly servicesDirectory: string;
  readonly operationsDirectory: string;
}

/** Where the output of a service or of an operation lies, and whether more of it can come. */
export function createLogSources(deps: LogSourcesDependencies): LogSources {
  const directoryOf = (source: LogSourceId) =>
    source.kind === "service"
      ? join(deps.servicesDirectory, source.serviceId)
      : join(deps.operationsDirectory, source.operationId);

  return {
    async open(source) {
      await deps.reconciled;
      if (source.kind === "service") {
        const { serviceId } = source;
        const stored = await deps.services.get(serviceId);
        // Its id is the adapter's own text: no path of ours may be made of it.
        if (stored.provider !== "LOCAL_PROCESS") throw noLogHere(stored);
        const life = deps.registry.get(serviceId);
        return {
          log: await deps.logs.open(directoryOf(source)),
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
        log: await deps.logs.open(directoryOf(source)),
        serviceId: "",
        serviceName: "",
        operationId,
        ended: () => (deps.operations.isRunning(operationId) ? undefined : {}),
      };
    },
    async openLog(source, isOver) {
      await deps.reconciled;
      const directory = directoryOf(source);
      if (isOver && !existsSync(directory)) return undefined;
      return await deps.logs.open(directory);
    },
  };
}

function noLogHere({ serviceName, adapterType = "" }: Service): RuntimeError {
  const message = `${serviceName} is run by the adapter "${adapterType}", which keeps its log`;
  return invalidField("service_id", message);
}
