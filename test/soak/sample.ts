import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
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
