import { findLive } from "./identity.ts";
import { isLive } from "./process-stat.ts";
import type { ProcessTables } from "./process-table.ts";
import { commandOf } from "./stop.ts";

/** A process that says in its environment that it belongs to an instance of this installation. */
export interface MarkedProcess {
  readonly pid: number;
  /** Clock ticks from boot to its fork. */
  readonly startTime: number;
  readonly instanceId: string;
  readonly command: string;
}

/**
 * Who bears this installation's marker, shims and writers aside. Evidence, no proof: tmux, Gradle or adb servers that
 * a service once started bear it as well. A pass over /proc in slices of a few milliseconds.
 */
export async function findMarked(
  installationId: string,
  tables: ProcessTables,
): Promise<readonly MarkedProcess[]> {
  const prefix = `${installationId}.`;
  const marked: MarkedProcess[] = [];
  for (const row of (await tables.pass(0)).rows()) {
    if (row.marker?.startsWith(prefix) !== true || row.shimOf !== undefined) continue;
    if (!isLive(row) || findLive(row) === undefined) continue;
    const instanceId = row.marker.slice(prefix.length);
    const { pid, startTime, name } = row;
    marked.push({ pid, startTime, instanceId, command: commandOf(pid) || name });
  }
  return marked;
}
