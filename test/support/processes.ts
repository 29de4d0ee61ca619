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
  return readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .filter((pid) => `\0${read(pid, "environ")}`.includes(`\0${name}=${value}\0`) && isAlive(pid))
    .map((pid) => ({ pid, command: read(pid, "cmdline").replaceAll("\0", " ").trim() }));
}

function read(pid: number, file: "environ" | "cmdline"): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return "";
  }
}
