import type { Log } from "../logs/log.ts";
import type { ServiceExit } from "../model/service.ts";

/** Finds the log of a service or an operation, over all its instances. */
export interface LogSources {
  /** SERVICE_NOT_FOUND or OPERATION_NOT_FOUND when there is no such row. */
  open(source: LogSourceId): Promise<LogSource>;
  /**
   * The log alone, held for the caller. Undefined when there is none on this host and none will be
   * written, since its source `isOver`; otherwise it is made for the writer to come.
   */
  openLog(source: LogSourceId, isOver: boolean): Promise<Log | undefined>;
}

export type LogSourceId =
  | { readonly kind: "service"; readonly serviceId: string }
  | { readonly kind: "operation"; readonly operationId: string };

/** Whose bytes they are; the parts that do not apply are "". */
export interface LogLabels {
  readonly serviceId: string;
  readonly serviceName: string;
  readonly operationId: string;
}

export interface LogSource extends LogLabels {
  /** Held for the caller, who releases it. */
  readonly log: Log;
  /**
   * Defined once nothing more will be written, not even after a restart; whoever makes it so calls
   * `log.wake()`. `exit` is that of the last process, where it is known.
   */
  ended(): LogEndFacts | undefined;
}

export interface LogEndFacts {
  readonly exit?: ServiceExit;
}
