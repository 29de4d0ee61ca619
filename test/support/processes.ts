import { readdirSync, readFileSync } from "node:fs";
import { readProcessStat } from "../../src/supervisor/process-stat.ts";
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

/** Of these the services' own: each leads a session, as its shim does, which is no service. */
export function servicesWithVariable(name: string, value: string): FoundProcess[] {
  return processesWithVariable(name, value).filter(
    ({ pid, command }) => readProcessStat(pid)?.session === pid && !command.includes("/shim-"),
  );
}

function read(pid: number, file: "environ" | "cmdline"): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return "";
  }
}
