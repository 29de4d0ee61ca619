import type { DescMethod } from "@bufbuild/protobuf";
import { isTold } from "../rpc/status.ts";
import { StatusError } from "../rpc/status-error.ts";

/** The part of pino's logger that the server needs. */
export interface ServerLog {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Writes down what the caller is not told: defects, and what lies under an error of the domain. */
export function logFailure(error: unknown, method: DescMethod, log: ServerLog): void {
  if (error instanceof StatusError) return;
  const fields = { err: error, method: method.name };
  if (!isTold(error)) log.error(fields, "a call failed for a reason of our own");
  else if (error.cause !== undefined) log.warn(fields, error.message);
}
