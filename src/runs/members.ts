import type { LogLabels, LogSourceId } from "./log-source.ts";

/** Whose logs are read as one. */
export type LogGroup =
  | { readonly kind: "run"; readonly runId: string }
  | { readonly kind: "workspace"; readonly workspaceId: string };

/** One log of a group, as the rows say. */
export interface Member {
  /** Names the log: two members of one key cannot be. */
  readonly key: string;
  readonly source: LogSourceId;
  readonly labels: LogLabels;
  /**
   * The time-ordered id (UUIDv7) of what made it a member: the operation, the service that was started
   * for the group, or the lease by which one was joined.
   */
  readonly entry: string;
  /** Epoch ms: it is the group's from then on. Absent: from its beginning. */
  readonly since?: number;
  /** Epoch ms of its last byte, where that is past and known. */
  readonly endTime?: number;
  /**
   * open: more of it will be the group's. left: it may grow, but not for the group. over: nothing
   * will be written to it any more.
   */
  readonly state: "open" | "left" | "over";
}

export function operationKey(operationId: string): string {
  return `o${operationId}`;
}

export function serviceKey(serviceId: string): string {
  return `s${serviceId}`;
}

/** Undefined for a key of an operation. */
export function serviceOfKey(key: string): string | undefined {
  return key.startsWith("s") ? key.slice(1) : undefined;
}

export function operationMember(
  operationId: string,
  isRunning: boolean,
  endTime: number | undefined,
): Member {
  return {
    key: operationKey(operationId),
    source: { kind: "operation", operationId },
    labels: { serviceId: "", serviceName: "", operationId },
    entry: operationId,
    state: isRunning ? "open" : "over",
    ...(endTime === undefined ? {} : { endTime }),
  };
}

export function serviceMember(
  service: { readonly serviceId: string; readonly serviceName: string },
  rest: Pick<Member, "entry" | "since" | "endTime" | "state">,
): Member {
  const { serviceId, serviceName } = service;
  return {
    key: serviceKey(serviceId),
    source: { kind: "service", serviceId },
    labels: { serviceId, serviceName, operationId: "" },
    ...rest,
  };
}

/** Only commands write: steps that are recorded without one have no log, and control is of services. */
export function hasLog(operation: { readonly command: string; readonly phase: string }): boolean {
  return operation.command !== "" && operation.phase !== "SERVICE_CONTROL";
}
