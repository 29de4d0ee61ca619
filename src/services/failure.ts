import type { ErrorReason, ServiceFailure } from "../errors.ts";
import { isRuntimeError, RuntimeError } from "../errors.ts";
import type { Diagnosis, Service, ServiceExit } from "../model/service.ts";

/** How a start ended. */
export type StartOutcome =
  | { readonly ok: true }
  | { readonly ok: false; readonly failure: ServiceFailure };

export function exitedEarly(
  service: Service,
  exit: ServiceExit,
  diagnosis: Diagnosis,
): ServiceFailure {
  const how =
    exit.reason === "OOM_KILLED"
      ? "was killed for its memory (SIGKILL)"
      : exit.signal !== undefined
        ? `was ended by ${exit.signal}`
        : exit.code === undefined
          ? "ended (its exit status is lost)"
          : `exited with code ${exit.code}`;
  return failureOf(
    service,
    "SERVICE_EXITED_EARLY",
    `${how} before it was ready${lastWords(diagnosis.outputTail)}`,
    { exit, diagnosis },
  );
}

/** It ended early because somebody else has its port. */
export function portTaken(early: ServiceFailure, error: RuntimeError): ServiceFailure {
  const { pid } = error.metadata;
  return {
    ...early,
    reason: error.reason,
    message: error.message,
    metadata: error.metadata,
    diagnosis: {
      ...early.diagnosis,
      reason: "PORT_IN_USE",
      ...(pid === undefined ? {} : { portOwnerPid: Number(pid) }),
    },
  };
}

export function notReady(service: Service, diagnosis: Diagnosis, afterMs: number): ServiceFailure {
  const detail = diagnosis.lastProbeError ?? diagnosis.reason;
  return failureOf(
    service,
    "SERVICE_NOT_READY",
    `was not ready after ${Math.round(afterMs)} ms: ${detail}${elsewhere(service, diagnosis)}${lastWords(diagnosis.outputTail)}`,
    { diagnosis },
  );
}

export function failureOf(
  service: Pick<Service, "serviceName" | "serviceId">,
  reason: ErrorReason,
  message: string,
  facts: { readonly exit?: ServiceExit; readonly diagnosis?: Diagnosis } = {},
): ServiceFailure {
  return {
    serviceName: service.serviceName,
    serviceId: service.serviceId,
    reason,
    message: `${service.serviceName} ${message}`,
    ...facts,
  };
}

/** A start that threw, as the failure that its callers are told. */
export function failureOfError(service: Service, error: unknown): ServiceFailure {
  if (isRuntimeError(error)) {
    const { message, metadata } = error;
    return { ...failureOf(service, error.reason, ""), message, metadata };
  }
  return failureOf(service, "SPAWN_FAILED", `could not be started: ${(error as Error).message}`);
}

/** One error for all services of a call that failed; the first one's reason stands for it. */
export function failedServices(failures: readonly ServiceFailure[]): RuntimeError {
  // A dependent fails because another one did: that one's reason is what there is to know.
  const first = failures.find(({ reason }) => reason !== "DEPENDENCY_FAILED") ?? failures[0];
  if (first === undefined) throw new Error("no failure to tell");
  const others = failures.length > 1 ? ` (and ${failures.length - 1} more)` : "";
  return new RuntimeError(first.reason, `${first.message}${others}`, {
    failures,
    metadata: {
      // Of PORT_IN_USE these two name who has the port.
      ...(first.reason === "PORT_IN_USE"
        ? {}
        : { service_id: first.serviceId, service_name: first.serviceName }),
      ...first.metadata,
      exit_code: first.exit?.code,
      signal: first.exit?.signal,
    },
  });
}

/** A program that does not read its port's variable listens where it always did. */
function elsewhere({ port }: Service, { reason, listeningPorts = [] }: Diagnosis): string {
  if (reason !== "PORT_CLOSED" || listeningPorts.length === 0) return "";
  const instead =
    port === undefined ? "" : `, not on ${port}: does it read the variable of its port?`;
  return ` (it listens on ${listeningPorts.join(", ")}${instead})`;
}

function lastWords(tail = ""): string {
  const line = tail.trimEnd().split("\n").at(-1)?.trim() ?? "";
  return line === "" ? "" : `: ${line.slice(0, 300)}`;
}
