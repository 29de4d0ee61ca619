import { kill } from "node:process";
import { findLive, type LocalProcess } from "./identity.ts";
import { readProcessStat } from "./process-stat.ts";

export type SignalResult = "SENT" | "GONE" | "REFUSED";

/**
 * Sends `signal` to this very process, looked at in the same breath. REFUSED: the kernel denies it (EPERM: it lives), or
 * it is one that is never signalled: 0, 1, ourselves.
 */
export function signalProcess(target: LocalProcess, signal: NodeJS.Signals): SignalResult {
  if (target.pid <= 1 || target.pid === process.pid) return "REFUSED";
  if (findLive(target) === undefined) return "GONE";
  return send(target.pid, signal);
}

/**
 * Sends `signal` to the whole group of `member`. While a process that is known to be ours lives in a group, the group's
 * number cannot have passed to another.
 */
export function signalGroupOf(member: LocalProcess, signal: NodeJS.Signals): SignalResult {
  const stat = findLive(member);
  if (stat === undefined) return "GONE";
  if (stat.group <= 1 || stat.group === readProcessStat(process.pid)?.group) return "REFUSED";
  return send(-stat.group, signal);
}

function send(target: number, signal: NodeJS.Signals): SignalResult {
  try {
    kill(target, signal);
    return "SENT";
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH" ? "GONE" : "REFUSED";
  }
}
