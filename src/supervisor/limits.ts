import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Controller, Unavailable } from "./controllers.ts";

/** Bounds of all processes of one instance together. Absent or 0: none. */
export interface Limits {
  readonly memoryBytes?: number;
  /** Of one processor's time: 1,500 is one and a half. */
  readonly cpuMillis?: number;
  readonly pids?: number;
}

/** A limit that was asked for and does not hold. */
export interface NotEnforced {
  /** As it stands in a spec: `memory_bytes`. */
  readonly limit: string;
  readonly why: string;
}

/**
 * Writes the limits of an instance's cgroup, before anything lives in it, and says which of them do not hold.
 * `cgroup`: undefined where there is none.
 */
export function setLimits(
  cgroup: string | undefined,
  limits: Limits,
  unavailable: Unavailable,
): NotEnforced[] {
  return wanted(limits).flatMap(({ limit, controller, files }) => {
    const why =
      cgroup === undefined ? NO_CGROUP : (unavailable[controller] ?? writeAll(cgroup, files));
    return why === undefined ? [] : [{ limit, why }];
  });
}

/** Whether the kernel has killed something in it for its memory. */
export function wasOomKilled(cgroup: string): boolean {
  try {
    const events = readFileSync(join(cgroup, "memory.events"), "utf8");
    return /^oom_kill [1-9]/m.test(events);
  } catch {
    return false;
  }
}

const NO_CGROUP = "a service gets no cgroup of its own on this host";

interface Wanted {
  readonly limit: string;
  readonly controller: Controller;
  readonly files: Readonly<Record<string, string>>;
}

function wanted({ memoryBytes = 0, cpuMillis = 0, pids = 0 }: Limits): Wanted[] {
  const all: Wanted[] = [];
  if (memoryBytes > 0) {
    // All of it or nothing: a service that lost one of its processes is not one that anybody asked for.
    const files = { "memory.max": String(memoryBytes), "memory.oom.group": "1" };
    all.push({ limit: "memory_bytes", controller: "memory", files });
  }
  if (cpuMillis > 0) {
    all.push({ limit: "cpu_millis", controller: "cpu", files: { "cpu.max": cpuMax(cpuMillis) } });
  }
  if (pids > 0)
    all.push({ limit: "pids", controller: "pids", files: { "pids.max": String(pids) } });
  return all;
}

/** "quota period" in microseconds. The kernel takes no quota below 1 ms, so a small share gets a long period. */
function cpuMax(millis: number): string {
  const period = millis < 10 ? 1_000_000 : 100_000;
  return `${(millis * period) / 1000} ${period}`;
}

/** Why not, if one is refused. A file is never made: what is not there cannot be set. */
function writeAll(cgroup: string, files: Readonly<Record<string, string>>): string | undefined {
  for (const [name, text] of Object.entries(files)) {
    try {
      writeFileSync(join(cgroup, name), text, { flag: "r+" });
    } catch (error) {
      return `${name} could not be written (${(error as NodeJS.ErrnoException).code})`;
    }
  }
  return undefined;
}
