import type { CommandEnd } from "./run-command.ts";

/** Why a command's operation failed, for people; undefined when it succeeded. */
export function describeFailure(
  command: string,
  { exit, spawnError, timedOut }: CommandEnd,
  timeoutMs: number,
): string | undefined {
  const shown = `Command "${command}"`;
  if (spawnError !== undefined) return `${shown} could not be started: ${spawnError.message}`;
  if (timedOut) return `${shown} timed out after ${timeoutMs / 1000} s`;
  if (exit?.code === 0) return undefined;
  if (exit?.code !== undefined) return `${shown} failed with exit code ${exit.code}`;
  if (exit?.signal !== undefined) return `${shown} was ended by ${exit.signal}`;
  return `${shown} ended and its exit status is lost`;
}
