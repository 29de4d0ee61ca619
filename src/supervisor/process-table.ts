import { readdirSync, readlinkSync } from "node:fs";
import { MARKER_VARIABLE, SHIM_VARIABLE } from "./marker.ts";
import { type ProcessStat, readProcessStat, readProcFile } from "./process-stat.ts";

/** One process as a pass over /proc saw it. */
export interface TableRow extends ProcessStat {
  /** Of the service instance that it says it belongs to. */
  readonly marker?: string;
  /** The marker of the instance whose shim or writer it is. */
  readonly shimOf?: string;
  /** What its standard output and error lead to; of a writer, what it reads. */
  readonly links: readonly string[];
}

/** One pass: not a snapshot (processes come and go while it runs), so nothing is proved by a single one. */
export interface ProcessTable {
  row(pid: number): TableRow | undefined;
  rows(): Iterable<TableRow>;
  childrenOf(pid: number): readonly TableRow[];
  inSession(session: number): readonly TableRow[];
  inGroup(group: number): readonly TableRow[];
  withMarker(marker: string): readonly TableRow[];
  shimsOf(marker: string): readonly TableRow[];
  linkedTo(link: string): readonly TableRow[];
}

export interface ProcessTables {
  /**
   * A pass that begins after this call; all who ask before it begins share it. `since` (clock ticks since boot): of
   * older processes only the kernel's line is read, since what started before an instance is not of its tree.
   */
  pass(since: number): Promise<ProcessTable>;
}

export function createProcessTables(): ProcessTables {
  let waiting: { since: number; table: Promise<ProcessTable> } | undefined;
  let running: Promise<unknown> = Promise.resolve();
  return {
    pass(since) {
      if (waiting === undefined) {
        const next = { since, table: Promise.resolve() as unknown as Promise<ProcessTable> };
        next.table = running.then(breathe).then(() => {
          waiting = undefined;
          return readProcesses(next.since);
        });
        running = next.table.catch(() => undefined);
        waiting = next;
      }
      waiting.since = Math.min(waiting.since, since);
      return waiting.table;
    },
  };
}

/** So many at once, some 3 ms; then others get their turn. */
const BATCH = 128;

async function readProcesses(since: number): Promise<ProcessTable> {
  const rows = new Map<number, TableRow>();
  let count = 0;
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    count += 1;
    if (count % BATCH === 0) await breathe();
    const row = readRow(Number(name), since);
    if (row !== undefined) rows.set(row.pid, row);
  }
  return indexRows(rows);
}

function readRow(pid: number, since: number): TableRow | undefined {
  const stat = readProcessStat(pid);
  if (stat === undefined || stat.kernelThread) return undefined;
  if (stat.startTime < since) return { ...stat, links: [] };
  const markers = readMarkers(pid);
  const links = (markers.shimOf === undefined ? [1, 2] : [0, 3]).flatMap(
    (descriptor) => readLink(pid, descriptor) ?? [],
  );
  return { ...stat, ...markers, links };
}

/** What the process's environment says; nothing where it may not be read or was overwritten. */
export function readMarkers(pid: number): Pick<TableRow, "marker" | "shimOf"> {
  const environment = readProcFile(`/proc/${pid}/environ`) ?? "";
  const marker = variable(environment, MARKER_VARIABLE);
  const shimOf = variable(environment, SHIM_VARIABLE);
  return {
    ...(marker === undefined ? {} : { marker }),
    ...(shimOf === undefined ? {} : { shimOf }),
  };
}

function variable(environment: string, name: string): string | undefined {
  const start = environment.startsWith(`${name}=`) ? 0 : environment.indexOf(`\0${name}=`) + 1;
  if (start === 0 && !environment.startsWith(`${name}=`)) return undefined;
  const end = environment.indexOf("\0", start);
  return environment.slice(start + name.length + 1, end === -1 ? undefined : end);
}

function readLink(pid: number, descriptor: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/fd/${descriptor}`);
  } catch {
    return undefined;
  }
}

function indexRows(rows: ReadonlyMap<number, TableRow>): ProcessTable {
  const by = <K>(keys: (row: TableRow) => readonly K[]) => {
    const index = new Map<K, TableRow[]>();
    for (const row of rows.values()) {
      for (const key of keys(row)) {
        const found = index.get(key);
        if (found === undefined) index.set(key, [row]);
        else found.push(row);
      }
    }
    return (key: K): readonly TableRow[] => index.get(key) ?? [];
  };
  return {
    row: (pid) => rows.get(pid),
    rows: () => rows.values(),
    childrenOf: by((row) => [row.ppid]),
    inSession: by((row) => [row.session]),
    inGroup: by((row) => [row.group]),
    withMarker: by((row) => (row.marker === undefined ? [] : [row.marker])),
    shimsOf: by((row) => (row.shimOf === undefined ? [] : [row.shimOf])),
    linkedTo: by((row) => row.links),
  };
}

function breathe(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
