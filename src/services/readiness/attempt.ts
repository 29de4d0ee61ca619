/** One look at a service. */
export type Attempt = { readonly ok: true } | FailedAttempt;

export interface FailedAttempt {
  readonly ok: false;
  readonly reason: ProbeReason;
  /** What a person would want to know of it. Holds no query string and no credentials. */
  readonly error: string;
  /** Of FOREIGN_LISTENER: who answers in the service's stead, as far as it can be found. */
  readonly ownerPid?: number;
}

/** What `Diagnosis.reason` says of a check that failed; each is explained in the proto's comment. */
export type ProbeReason =
  | "PORT_CLOSED"
  | "PROBE_TIMEOUT"
  | "HTTP_FAILED"
  | "HTTP_STATUS"
  | "HTTP_REDIRECT"
  | "HTTP_BODY"
  | "EXEC_FAILED"
  | "LOG_PATTERN_NOT_SEEN"
  | "LOG_PATTERN_TOO_SLOW"
  | "GRPC_FAILED"
  | "GRPC_NOT_SERVING"
  | "FOREIGN_LISTENER";

export function failed(reason: ProbeReason, error: string): FailedAttempt {
  return { ok: false, reason, error };
}

/** Of an error of the network: a connection that was refused is a closed port. */
export function unreachable(error: Error, otherwise: ProbeReason): FailedAttempt {
  const { code } = error as NodeJS.ErrnoException;
  const text = error.message || (code ?? "the connection failed");
  return failed(code === "ECONNREFUSED" ? "PORT_CLOSED" : otherwise, text);
}
