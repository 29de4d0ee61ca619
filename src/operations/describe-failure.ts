import type { CommandEnd } from "./run-command.ts";

/** Why a command did not succeed, for people; undefined when it succeeded. */
export function describeFailure(
  command: string,
  { exit, spawnError, timedOut, cancelled }: CommandEnd,
  timeoutMs: number,
): string | undefined {
  const shown = `Command "${command}"`;
  if (spawnError !== undefined) return `${shown} could not be started: ${spawnError.message}`;
  if (cancelled) return `${shown} was cancelled`;
  if (timedOut) return `${shown} timed out after ${timeoutMs / 1000} s`;
  if (exit?.code === 0) return undefined;
  if (exit?.code !== undefined) return `${shown} failed with exit code ${exit.code}`;
  if (exit?.signal !== undefined) return `${shown} was ended by ${exit.signal}`;
  return `${shown} ended and its exit status is lost`;
}
