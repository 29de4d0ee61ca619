import { readdirSync, readFileSync } from "node:fs";
import { isAlive } from "./workspace.ts";

export interface FoundProcess {
  readonly pid: number;
  /** Arguments, joined by blanks. */
  readonly command: string;
}

/**
 * Living processes that have this variable in their environment: services, and the shims and writers
 * that serve them, which inherit it. Asked of /proc alone, so that a test need not believe the server.
 */
export function processesWithVariable(name: string, value: string): FoundProcess[] {
  return allProcesses().filter(({ pid }) =>
    `\0${read(pid, "environ")}`.includes(`\0${name}=${value}\0`),
  );
}

/** Living processes with `text` in their arguments. */
export function processesWithArgument(text: string): FoundProcess[] {
  return allProcesses().filter(({ command }) => command.includes(text));
}

function allProcesses(): FoundProcess[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((name) => ({
      pid: Number(name),
      command: read(Number(name), "cmdline").replaceAll("\0", " ").trim(),
    }))
    .filter(({ pid }) => isAlive(pid));
}

function read(pid: number, file: "environ" | "cmdline"): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return "";
  }
}
