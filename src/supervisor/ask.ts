import { findLive } from "./identity.ts";
import type { ProcessStat } from "./process-stat.ts";
import { signalGroupOf } from "./signal.ts";

/**
 * Sends `signal` to the group of every member, as a terminal does to the one in its foreground, then CONT: a stopped
 * process takes no signal but KILL. To whole groups, not their leaders: a shell that leads one dies of TERM and passes
 * nothing on, and the rest would sit out the grace.
 */
export function ask(members: readonly ProcessStat[], signal: NodeJS.Signals): boolean {
  let sent = false;
  for (const name of [signal, "SIGCONT"] as const) {
    const groups = new Set<number>();
    for (const member of members) {
      // Its group as it is now: a process between fork and setsid(2) has just left the one it was seen in.
      const group = findLive(member)?.group;
      if (group === undefined || groups.has(group)) continue;
      groups.add(group);
      sent = signalGroupOf(member, name) === "SENT" || sent;
    }
  }
  return sent;
}
