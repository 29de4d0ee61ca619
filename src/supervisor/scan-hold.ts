import { readdirSync, readlinkSync } from "node:fs";
import type { Clock } from "../clock.ts";
import { ask } from "./ask.ts";
import type { Hold } from "./hold.ts";
import { findLive } from "./identity.ts";
import { isLive, type ProcessStat, readProcessStat, readProcFile } from "./process-stat.ts";
import type { ProcessTable, ProcessTables, TableRow } from "./process-table.ts";
import { signalProcess } from "./signal.ts";
import { findMembers, type Tree } from "./tree.ts";

export interface ScanHoldOptions {
  readonly clock: Clock;
  readonly tables: ProcessTables;
  readonly tree: Tree;
  readonly subreaper: boolean;
  /** The main process's end is recorded, or proven unrecorded. */
  readonly hasExited: () => boolean;
  /** The shim's word on the output and on adopted children. */
  readonly drained: () => { drained: boolean; alone: boolean };
  /** Resolves once the output has ended, or after so many milliseconds. */
  readonly awaitDrained: (timeoutMs: number) => Promise<void>;
}

/** A scan of /proc is no snapshot: so many in a row must find nothing. */
const EMPTY_PASSES = 3;
const QUIET_READS = 50;
/** From the end of the last holder to the shim's word takes milliseconds. */
const DRAIN_MS = 200;
/** Against a tree that forks as fast as it is killed: then the next round goes on. */
const FREEZE_PASSES = 20;
const FREEZE_MS = 500;

/**
 * Without cgroups: members are found by evidence (see `findMembers`), stopped first so that they cannot fork, then
 * killed. Gone is what several passes do not find while the kernel says, through the end of the output, that nobody
 * holds the pipes. One that shed session, group, marker and pipes is found only while the shim is its subreaper.
 */
export function createScanHold(options: ScanHoldOptions): Hold {
  const { clock, tables, tree, subreaper, hasExited, drained, awaitDrained } = options;
  const since = (tree.shim ?? tree.main).startTime;
  const find = async () => findMembers(await tables.pass(since), tree);
  let adopted = false;

  /** The shim's children are read at once and again and again: quicker than forks, which a pass over /proc is not. */
  const killAdopted = () => {
    if (!subreaper || tree.shim === undefined) return;
    const killed = new Map<number, number>();
    for (let quiet = 0, reads = 0; quiet < QUIET_READS && reads < 1000; reads += 1) {
      if (findLive(tree.shim) === undefined) return;
      const fresh = descendantsOf(tree.shim.pid).filter(
        (stat) =>
          stat.session !== tree.shim?.pid &&
          isLive(stat) &&
          killed.get(stat.pid) !== stat.startTime,
      );
      quiet = fresh.length === 0 ? quiet + 1 : 0;
      for (const stat of fresh) {
        killed.set(stat.pid, stat.startTime);
        tree.known.set(stat.pid, stat.startTime);
        signalProcess(stat, "SIGKILL");
      }
    }
  };

  return {
    find,

    ask,

    async force() {
      killAdopted();
      const frozen = new Map<number, ProcessStat>();
      const until = clock.monotonic() + FREEZE_MS;
      for (let pass = 0; pass < FREEZE_PASSES && clock.monotonic() < until; pass += 1) {
        const fresh = (await find()).filter(
          ({ pid, startTime }) => frozen.get(pid)?.startTime !== startTime,
        );
        if (fresh.length === 0) break;
        for (const member of fresh) {
          frozen.set(member.pid, member);
          signalProcess(member, "SIGSTOP");
        }
      }
      for (const member of frozen.values()) signalProcess(member, "SIGKILL");
      killAdopted();
    },

    async proveGone() {
      let table = await tables.pass(since);
      for (let pass = 1; pass < EMPTY_PASSES; pass += 1) {
        if (findMembers(table, tree).length > 0) return false;
        table = await tables.pass(since);
      }
      if (findMembers(table, tree).length > 0 || !hasExited()) return false;
      if (!drained().drained && !isAbandoned(table)) {
        await awaitDrained(DRAIN_MS);
        if (!drained().drained) {
          for (const row of holders(await tables.pass(since)))
            tree.known.set(row.pid, row.startTime);
          return false;
        }
      }
      adopted = subreaper && hasNoAdoptedChild();
      return true;
    },

    proof: () => (adopted ? "SUBREAPER" : "SCAN"),
  };

  /** Shim and writers are dead: nobody will say that the output has ended, and nobody can write it any more. */
  function isAbandoned(table: ProcessTable): boolean {
    return (
      (tree.shim === undefined || findLive(tree.shim) === undefined) &&
      !table.shimsOf(tree.marker).some(isLive)
    );
  }

  /** Who has a pipe elsewhere than as its output: every descriptor of every process that may belong. */
  function holders(table: ProcessTable): TableRow[] {
    return [...table.rows()].filter(
      (row) =>
        row.startTime >= since &&
        row.shimOf === undefined &&
        row.pid !== process.pid &&
        row.session !== tree.shim?.pid &&
        holdsAny(row.pid, tree.pipes),
    );
  }

  /** While the shim lives its children say it; it leaves only when it has none, and says so last. */
  function hasNoAdoptedChild(): boolean {
    if (drained().alone) return true;
    if (tree.shim === undefined || findLive(tree.shim) === undefined) return drained().alone;
    for (let read = 0; read < QUIET_READS; read += 1) {
      const children = childrenOf(tree.shim.pid);
      if (children === undefined) return false;
      if (children.some((stat) => stat.session !== tree.shim?.pid && isLive(stat))) return false;
    }
    return findLive(tree.shim) !== undefined || drained().alone;
  }
}

/** Children of all its threads; undefined where the kernel does not say (CONFIG_PROC_CHILDREN) or it is gone. */
function childrenOf(pid: number): ProcessStat[] | undefined {
  let threads: string[];
  try {
    threads = readdirSync(`/proc/${pid}/task`);
  } catch {
    return undefined;
  }
  const children: ProcessStat[] = [];
  for (const thread of threads) {
    const text = readProcFile(`/proc/${pid}/task/${thread}/children`);
    if (text === undefined) return undefined;
    for (const child of text.split(" ")) {
      const stat = child === "" ? undefined : readProcessStat(Number(child));
      if (stat !== undefined) children.push(stat);
    }
  }
  return children;
}

function descendantsOf(pid: number): ProcessStat[] {
  const found: ProcessStat[] = [];
  for (const child of childrenOf(pid) ?? []) found.push(child, ...descendantsOf(child.pid));
  return found;
}

function holdsAny(pid: number, links: readonly string[]): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((descriptor) => {
      try {
        return links.includes(readlinkSync(`/proc/${pid}/fd/${descriptor}`));
      } catch {
        return false;
      }
    });
  } catch {
    return false;
  }
}
