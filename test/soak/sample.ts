import { mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { join } from "node:path";
import { eventually } from "../support/eventually.ts";
import type { TestServer } from "../support/server.ts";

/** What a server holds at rest, seen from outside; the last ones as it says itself. */
export interface Sample {
  readonly rss_mb: number;
  readonly descriptors: number;
  readonly inotify_watches: number;
  readonly threads: number;
  /** Entries of the data directory, at any depth. */
  readonly files: number;
  /** Rows of services and of operations. */
  readonly rows: number;
  readonly timers: number;
  readonly handles: number;
  readonly live_services: number;
  readonly open_logs: number;
  readonly log_readers: number;
  readonly file_watches: number;
  readonly status_watchers: number;
}

/**
 * Bytes that are alive in the server's heap, in MB: a snapshot collects all garbage first. The server must have been
 * started with `SNAPSHOT_OPTIONS`.
 */
export async function measureHeap({ pid, dataDir }: TestServer): Promise<number> {
  const directory = snapshotDirectory(dataDir);
  process.kill(pid, "SIGUSR2");
  return eventually(
    () => {
      const [name] = readdirSync(directory);
      if (name === undefined) return undefined;
      const path = join(directory, name);
      // Not whole yet: JSON.parse throws, and it is looked at again.
      const megabytes = sizeOf(JSON.parse(readFileSync(path, "utf8")) as Snapshot) / 1e6;
      rmSync(path);
      return Math.round(megabytes * 10) / 10;
    },
    { timeoutMs: 120_000, intervalMs: 500 },
  );
}

/** `NODE_OPTIONS` of a server whose heap is to be measured. */
export function snapshotOptions(dataDir: string): string {
  return `--heapsnapshot-signal=SIGUSR2 --diagnostic-dir=${snapshotDirectory(dataDir)}`;
}

function snapshotDirectory(dataDir: string): string {
  const directory = `${dataDir}-snapshots`;
  mkdirSync(directory, { recursive: true });
  return directory;
}

interface Snapshot {
  readonly snapshot: { readonly meta: { readonly node_fields: readonly string[] } };
  /** Numbers, so many for each object as there are fields. */
  readonly nodes: readonly number[];
}

function sizeOf({ snapshot, nodes }: Snapshot): number {
  const fields = snapshot.meta.node_fields;
  const field = fields.indexOf("self_size");
  let bytes = 0;
  for (let node = 0; node < nodes.length; node += fields.length) bytes += nodes[node + field] ?? 0;
  return bytes;
}

export async function takeSample({ pid, client, dataDir }: TestServer): Promise<Sample> {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const { counts } = await client.getRuntimeInfo({});
  const count = (name: string) => Number(counts[name]);
  return {
    rss_mb: Math.round(Number(/^VmRSS:\s*(\d+)/m.exec(status)?.[1]) / 1024),
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
    inotify_watches: countWatches(pid),
    threads: Number(/^Threads:\s*(\d+)/m.exec(status)?.[1]),
    files: readdirSync(dataDir, { recursive: true }).length,
    rows: await countRows(client),
    timers: count("timers"),
    handles: count("handles"),
    live_services: count("live_services"),
    open_logs: count("open_logs"),
    log_readers: count("log_readers"),
    file_watches: count("file_watches"),
    status_watchers: count("status_watchers"),
  };
}

function countWatches(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`)
    .filter((fd) => isInotify(join(`/proc/${pid}/fd`, fd)))
    .map((fd) => readFileSync(`/proc/${pid}/fdinfo/${fd}`, "utf8").match(/^inotify/gm)?.length ?? 0)
    .reduce((sum, watches) => sum + watches, 0);
}

function isInotify(path: string): boolean {
  try {
    return readlinkSync(path) === "anon_inode:inotify";
  } catch {
    return false;
  }
}

async function countRows(client: TestServer["client"]): Promise<number> {
  let rows = 0;
  let pageToken = "";
  do {
    const page = await client.listServices({ pageSize: 500, pageToken });
    rows += page.services.length;
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  do {
    const page = await client.listOperations({ pageSize: 500, pageToken });
    rows += page.operations.length;
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return rows;
}
