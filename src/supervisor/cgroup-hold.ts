import { ask } from "./ask.ts";
import type { Cgroup } from "./cgroup.ts";
import type { Hold } from "./hold.ts";
import { findLive, type LocalProcess } from "./identity.ts";
import { isLive, readProcessStat } from "./process-stat.ts";

/** The kernel keeps the list of members, kills them all at once, and removes a cgroup only when nothing lives in it. */
export function createCgroupHold(cgroup: Cgroup, main: LocalProcess): Hold {
  return {
    async find() {
      return cgroup
        .pids()
        .flatMap((pid) => readProcessStat(pid) ?? [])
        .filter(isLive);
    },
    ask,
    async force() {
      cgroup.kill();
    },
    async proveGone() {
      return !cgroup.populated() && findLive(main) === undefined && cgroup.remove();
    },
    proof: () => "CGROUP",
  };
}
