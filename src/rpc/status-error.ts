import type { StatusCodeName } from "./error-table.ts";

/**
 * A failure that has a status code and no reason of ours: the caller's own doing, or the say of another
 * protocol (health). Nobody is to blame, and nothing is logged.
 */
export class StatusError extends Error {
  override readonly name = "StatusError";
  readonly code: StatusCodeName;

  constructor(code: StatusCodeName, message: string) {
    super(message);
    this.code = code;
  }
}

/** Such a call is answered with just this code. */
export function callEnded(code: "CANCELLED" | "DEADLINE_EXCEEDED"): StatusError {
  return new StatusError(
    code,
    code === "CANCELLED" ? "the caller went away" : "the caller's deadline has passed",
  );
}
