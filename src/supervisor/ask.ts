import { findLive, type LocalProcess } from "./identity.ts";
import type { ProcessStat } from "./process-stat.ts";
import { signalGroupOf, signalProcess } from "./signal.ts";

/**
 * The main process's whole group gets the signal, and the leader of each other group, or all of a group without one:
 * what a task runner put aside it ends itself, what nobody leads nobody ends. Then CONT: a stopped process takes no
 * signal but KILL.
 */
export function ask(
  main: LocalProcess,
  members: readonly ProcessStat[],
  signal: NodeJS.Signals,
): boolean {
  let sent = false;
  for (const name of [signal, "SIGCONT"] as const) {
    const groups = new Set<number>();
    for (const member of members) {
      // Its group as it is now: a process between fork and setsid(2) has just left the one it was seen in.
      const group = findLive(member)?.group;
      if (group === undefined || groups.has(group)) continue;
      groups.add(group);
      const leader = members.find(({ pid }) => pid === group);
      const result =
        leader === undefined || group === main.pid
          ? signalGroupOf(member, name)
          : signalProcess(leader, name);
      sent ||= result === "SENT";
    }
  }
  return sent;
}
