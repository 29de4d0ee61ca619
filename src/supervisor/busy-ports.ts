import { findPortOwners, portIsFree } from "./listeners.ts";
import type { Platform } from "./platform.ts";
import { readProcessStat } from "./process-stat.ts";
import { readMarkers } from "./process-table.ts";
import type { Tree } from "./tree.ts";

export interface BusyPorts {
  readonly free: boolean;
  /** Who listens, as far as we may know. */
  readonly pids: readonly number[];
}

export const FREE: BusyPorts = { free: true, pids: [] };

/**
 * Who keeps the ports of an instance that should be gone. A listener that is older than the instance or carries another
 * instance's marker is none of it: that one took the port before or after.
 */
export async function findBusyPorts(
  ports: ReadonlySet<number>,
  tree: Tree,
  platform: Platform,
): Promise<BusyPorts> {
  if (ports.size === 0) return FREE;
  if (!platform.proc) {
    const free = await Promise.all([...ports].map(portIsFree));
    return { free: !free.includes(false), pids: [] };
  }
  const owners = await findPortOwners([...ports]);
  const suspects = owners.flatMap(({ pids }) => (pids.length === 0 ? [UNKNOWN] : pids));
  const pids = suspects.filter((pid) => pid === UNKNOWN || mayBelong(pid, tree));
  return { free: pids.length === 0, pids: pids.filter((pid) => pid !== UNKNOWN) };
}

const UNKNOWN = 0;

function mayBelong(pid: number, { shim, main, marker }: Tree): boolean {
  const stat = readProcessStat(pid);
  if (stat === undefined || stat.startTime < (shim ?? main).startTime) return false;
  if (pid === process.pid) return false;
  const found = readMarkers(pid).marker;
  return found === undefined || found === marker;
}
