import { kill } from "node:process";
import type { Hold } from "./hold.ts";
import type { ProcessStat } from "./process-stat.ts";

/** Without /proc a tree is the main process's group; its number is safe while the main process's end is unrecorded. */
export function createGroupHold(options: {
  readonly pid: number;
  readonly hasExited: () => boolean;
  readonly isDrained: () => boolean;
}): Hold {
  const { pid, hasExited, isDrained } = options;
  const signalGroup = (signal: NodeJS.Signals | 0): boolean => {
    try {
      kill(-pid, signal);
      return true;
    } catch {
      return false;
    }
  };
  const lives = () => (!hasExited() || !isDrained()) && signalGroup(0);
  const main: ProcessStat = {
    pid,
    name: "",
    state: "",
    ppid: 0,
    group: pid,
    session: pid,
    startTime: 0,
    kernelThread: false,
  };
  return {
    find: async () => (lives() ? [main] : []),
    ask: (_members, signal) => signalGroup(signal) && signalGroup("SIGCONT"),
    async force() {
      if (lives()) signalGroup("SIGKILL");
    },
    proveGone: async () => hasExited() && !lives(),
    proof: () => "SCAN",
  };
}
