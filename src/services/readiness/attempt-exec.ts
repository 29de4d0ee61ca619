import type { ProbeCommandEnd } from "../../supervisor/probe-command.ts";
import { type Attempt, failed } from "./attempt.ts";

/** Runs a command as the service's own environment would; done within `timeoutMs`, its whole group gone. */
export type RunProbeCommand = (command: string, timeoutMs: number) => Promise<ProbeCommandEnd>;

/** Good when the command ends with code 0; its last lines are what a person wants to know otherwise. */
export async function attemptExec(
  command: string,
  run: RunProbeCommand,
  timeoutMs: number,
): Promise<Attempt> {
  const end = await run(command, timeoutMs);
  if (end.code === 0) return { ok: true };
  const said = lastLines(end.output);
  const tell = (what: string) => (said === "" ? what : `${what}: ${said}`);
  if (end.timedOut) {
    return failed("PROBE_TIMEOUT", tell(`the command did not end within ${timeoutMs} ms`));
  }
  if (end.error !== undefined) {
    return failed("EXEC_FAILED", `the command could not be run: ${end.error.message}`);
  }
  const how = end.signal === undefined ? `exited with code ${end.code}` : `died of ${end.signal}`;
  return failed("EXEC_FAILED", tell(`the command ${how}`));
}

const LINES = 3;
const MAX_CHARACTERS = 300;

function lastLines(output: string): string {
  const lines = output.trim().split("\n").slice(-LINES);
  return lines.join(" | ").slice(-MAX_CHARACTERS);
}
