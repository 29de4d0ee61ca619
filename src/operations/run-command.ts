import { join } from "node:path";
import type { Clock } from "../clock.ts";
import { isRuntimeError, type RuntimeError } from "../errors.ts";
import type { Logs } from "../logs/logs.ts";
import { type Excerpt, readExcerpt } from "./excerpt.ts";
import type { CommandRequest } from "./operations.ts";

/** Runs one command to its end, as a supervised process whose output is a log. */
export interface CommandRunner {
  run(operationId: string, request: CommandRequest): Promise<CommandEnd>;
}

export interface CommandEnd {
  /** Absent when it was never started. Neither code nor signal: the status is lost. */
  readonly exit?: { readonly code?: number; readonly signal?: string };
  readonly timedOut: boolean;
  readonly spawnError?: RuntimeError;
  readonly stdout: Excerpt;
  readonly stderr: Excerpt;
}

const DEFAULT_TIMEOUT_MS = 10 * 60_000;

/** Why a command's operation failed, for people; undefined when it succeeded. */
export function describeFailure(request: CommandRequest, end: CommandEnd): string | undefined {
  const { exit, spawnError, timedOut } = end;
  const shown = `Command "${request.command}"`;
  if (spawnError !== undefined) return `${shown} could not be started: ${spawnError.message}`;
  if (timedOut) {
    return `${shown} timed out after ${(request.timeoutMs ?? DEFAULT_TIMEOUT_MS) / 1000} s`;
  }
  if (exit?.code === 0) return undefined;
  if (exit?.code !== undefined) return `${shown} failed with exit code ${exit.code}`;
  if (exit?.signal !== undefined) return `${shown} was ended by ${exit.signal}`;
  return `${shown} ended and its exit status is lost`;
}
