import { uptime } from "node:os";
import type { LocalProcess } from "./identity.ts";
import { isLive } from "./process-stat.ts";
import type { ProcessTable, TableRow } from "./process-table.ts";

/** By what the processes of one instance are known. */
export interface Tree {
  readonly main: LocalProcess;
  /** Undefined when the shim left no readable claim. */
  readonly shim: LocalProcess | undefined;
  readonly marker: string;
  /** What /proc/<pid>/fd/N of a holder leads to: "<instance directory>/out (deleted)". */
  readonly pipes: readonly string[];
  /** Processes found to be members before, pid to start time: they stay members, whatever they shed. */
  readonly known: Map<number, number>;
  /** When the main process ended, in epoch ms; undefined while it lives or if that is lost. */
  readonly mainEnded: () => number | undefined;
}

/**
 * The live processes of an instance: the main process's session and group, the marker, the descendants of the shim,
 * whoever has its pipes as output, and the descendants of all these. Never init, ourselves, the shim and its writers,
 * what is older than the instance, or what carries another instance's marker.
 */
export function findMembers(table: ProcessTable, tree: Tree): TableRow[] {
  const members = new Map<number, TableRow>();
  const queue: TableRow[] = [];
  const admit = (row: TableRow) => {
    if (members.has(row.pid) || !mayBelong(row, tree)) return;
    members.set(row.pid, row);
    queue.push(row);
  };
  const follow = () => {
    for (let row = queue.pop(); row !== undefined; row = queue.pop()) {
      for (const child of table.childrenOf(row.pid)) admit(child);
    }
  };

  for (const row of table.withMarker(tree.marker)) admit(row);
  for (const pipe of tree.pipes) for (const row of table.linkedTo(pipe)) admit(row);
  for (const [pid, startTime] of tree.known) {
    const row = table.row(pid);
    if (row?.startTime === startTime) admit(row);
  }
  const shim = tree.shim && table.row(tree.shim.pid);
  if (shim !== undefined && shim.startTime === tree.shim?.startTime) {
    for (const row of table.childrenOf(shim.pid)) admit(row);
  }
  follow();
  for (const rows of [table.inSession(tree.main.pid), table.inGroup(tree.main.pid)]) {
    if (isStillOurs(rows, table, tree, members)) for (const row of rows) admit(row);
  }
  follow();

  const live = [...members.values()].filter(isLive);
  tree.known.clear(); // all of it that lives is among the members
  for (const row of live) tree.known.set(row.pid, row.startTime);
  return live;
}

function mayBelong(row: TableRow, { main, shim, marker }: Tree): boolean {
  if (row.pid === main.pid) return row.startTime === main.startTime;
  if (row.pid <= 1 || row.pid === process.pid) return false;
  if (row.startTime < (shim ?? main).startTime) return false;
  if (shim !== undefined && row.session === shim.pid) return false;
  return row.shimOf === undefined && (row.marker === undefined || row.marker === marker);
}

/**
 * Session and group bear the main process's number. While any of them lives, the number is not given away; but once all
 * were gone, it may be, and these may be another's. So: the leader itself lives, or someone in it is known by other
 * evidence, or someone in it was there when the main process ended.
 */
function isStillOurs(
  rows: readonly TableRow[],
  table: ProcessTable,
  { main, mainEnded }: Tree,
  members: ReadonlyMap<number, TableRow>,
): boolean {
  const leader = table.row(main.pid);
  if (leader !== undefined) return leader.startTime === main.startTime;
  if (rows.some((row) => members.has(row.pid))) return true;
  const ended = mainEnded();
  if (ended === undefined) return false;
  const endedTicks = (uptime() - (Date.now() - ended) / 1000) * TICKS_PER_SECOND;
  return rows.some((row) => row.startTime <= endedTicks + SAME_TIME_TICKS);
}

/** What /proc shows is in these units on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;
/** Well below the time in which all process numbers can be used up once. */
const SAME_TIME_TICKS = 20;
