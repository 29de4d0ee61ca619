import { kill } from "node:process";
import type { Platform } from "./platform.ts";
import { isLive, type ProcessStat, readProcessStat } from "./process-stat.ts";

/** One process, for all time: no other process of any boot or container has the same four. */
export interface ProcessIdentity {
  readonly bootId: string;
  readonly pidNamespace: string;
  readonly pid: number;
  /** Clock ticks from boot to its fork. */
  readonly startTime: number;
}

/** A process of this boot and this pid namespace. */
export type LocalProcess = Pick<ProcessIdentity, "pid" | "startTime">;

/** The process itself, if it lives: same number and same start. A zombie does not. */
export function findLive(process: LocalProcess): ProcessStat | undefined {
  const stat = readProcessStat(process.pid);
  return stat !== undefined && stat.startTime === process.startTime && isLive(stat)
    ? stat
    : undefined;
}

/** Whether numbers recorded under `identity` mean anything to this server. */
export function isLocal(
  identity: Pick<ProcessIdentity, "bootId" | "pidNamespace">,
  platform: Platform,
): boolean {
  return identity.bootId === platform.bootId && identity.pidNamespace === platform.pidNamespace;
}

/** Like `findLive`, as far as the platform can tell: without /proc, whether anything has that number. */
export function isAlive(target: LocalProcess, platform: Platform): boolean {
  return platform.proc ? findLive(target) !== undefined : isTaken(target.pid);
}

/** Whether any process has the number, be it a zombie. */
export function isTaken(pid: number): boolean {
  try {
    kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
