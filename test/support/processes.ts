import { readdirSync, readFileSync } from "node:fs";
import { readProcessStat } from "../../src/supervisor/process-stat.ts";
import { isAlive } from "./workspace.ts";

export interface FoundProcess {
  readonly pid: number;
  /** Arguments, joined by blanks. */
  readonly command: string;
  /** Of the variable that was asked for. */
  readonly value: string;
}

/**
 * Living processes with this variable (of this value, if one is given) in their environment: services,
 * and the shims and writers that serve them, which inherit it. Asked of /proc alone, so that a test
 * need not believe the server.
 */
export function processesWithVariable(name: string, value?: string): FoundProcess[] {
  return readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry))
    .flatMap((entry) => {
      const pid = Number(entry);
      const found = variableOf(read(pid, "environ"), name);
      if (found === undefined || (value !== undefined && found !== value)) return [];
      if (!isAlive(pid)) return [];
      const command = read(pid, "cmdline").replaceAll("\0", " ").trim();
      return [{ pid, command, value: found }];
    });
}

/** Of these the services' own: each leads a session, as its shim does, which is no service. */
export function servicesWithVariable(name: string, value?: string): FoundProcess[] {
  return processesWithVariable(name, value).filter(
    ({ pid, command }) => readProcessStat(pid)?.session === pid && !command.includes("/shim-"),
  );
}

/** Looks again and again for two living services of one value at one moment. */
export function watchForDoubles(name: string): { stop(): readonly (readonly FoundProcess[])[] } {
  const doubles: (readonly FoundProcess[])[] = [];
  let timer: NodeJS.Timeout;
  const look = () => {
    const began = performance.now();
    const found = findDouble(name);
    if (found !== undefined) doubles.push(found);
    // On a host with thousands of processes a look takes long: most of the time is the test's own.
    timer = setTimeout(look, Math.max(30, 4 * (performance.now() - began)));
  };
  look();
  return {
    stop() {
      clearTimeout(timer);
      return doubles;
    },
  };
}

function findDouble(name: string): readonly FoundProcess[] | undefined {
  const byValue = Map.groupBy(servicesWithVariable(name), ({ value }) => value);
  for (const found of byValue.values()) {
    // The first may have ended before the second was looked at: only if it lives now there were two.
    if (found.length > 1 && found.every(({ pid }) => isAlive(pid))) return found;
  }
  return undefined;
}

function variableOf(environ: string, name: string): string | undefined {
  const prefix = `${name}=`;
  return environ
    .split("\0")
    .find((entry) => entry.startsWith(prefix))
    ?.slice(prefix.length);
}

function read(pid: number, file: "environ" | "cmdline"): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return "";
  }
}
