import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach } from "vitest";
import { createSystemClock } from "../../../src/clock.ts";
import { type FollowedBatch, type FollowOptions, followLog } from "../../../src/logs/follow-log.ts";
import type { Log } from "../../../src/logs/log.ts";
import type { LogBatch, LogChunk } from "../../../src/logs/log-batch.ts";
import type { LogPosition } from "../../../src/logs/log-position.ts";
import { createLogs, type Logs, type LogsOptions } from "../../../src/logs/logs.ts";
import type { LogStreamName } from "../../../src/logs/stream.ts";

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

export const systemClock = createSystemClock();

export async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "logs-"));
  cleanups.push(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

/** Logs that are closed after the test; whatever they complain of fails it. */
export function openLogs(options: Partial<LogsOptions> = {}): Logs {
  const complaints: unknown[] = [];
  const logs = createLogs({
    clock: systemClock,
    onError: (_message, error) => complaints.push(error),
    ...options,
  });
  cleanups.push(async () => {
    await logs.close();
    if (complaints.length > 0) throw new AggregateError(complaints, "the logs complained");
  });
  return logs;
}

export async function openLog(options: Partial<LogsOptions> = {}) {
  const directory = await temporaryDirectory();
  const logs = openLogs(options);
  return { directory, logs, log: await logs.open(directory) };
}

export function append(directory: string, stream: LogStreamName, bytes: string | Uint8Array) {
  return appendFile(join(directory, `${stream.toLowerCase()}.log`), bytes, { mode: 0o600 });
}

/** Runs a shell command whose output a `cat` appends to the stream's file, as the shim does. */
export async function write(directory: string, stream: LogStreamName, command: string) {
  const child = startWriter(directory, stream, command);
  const [code] = await once(child, "exit");
  if (code !== 0) throw new Error(`${command} exited with ${code}`);
}

export function startWriter(directory: string, stream: LogStreamName, command: string) {
  const child = spawn("sh", ["-c", `{ ${command}; } | cat >>${stream.toLowerCase()}.log`], {
    cwd: directory,
    stdio: ["ignore", "ignore", "inherit"],
  });
  cleanups.push(() => child.exitCode ?? child.kill("SIGKILL"));
  return child;
}

/** Follows with the defaults of most tests: from the beginning, live, never ending by itself. */
export async function startFollowing<End = never>(
  logs: Logs,
  directory: string,
  options: Partial<FollowOptions<End>> = {},
) {
  const controller = new AbortController();
  cleanups.push(() => controller.abort());
  const batches = followLog<End>(await logs.open(directory), {
    clock: systemClock,
    start: { kind: "beginning" },
    follow: true,
    signal: controller.signal,
    ended: () => undefined,
    ...options,
  });
  return { batches, abort: () => controller.abort() };
}

/** Pulls until `enough` says so or the following ends. */
export async function pull<End>(
  batches: AsyncGenerator<FollowedBatch<End>>,
  enough: (all: readonly FollowedBatch<End>[]) => boolean = () => false,
): Promise<FollowedBatch<End>[]> {
  const all: FollowedBatch<End>[] = [];
  while (!enough(all)) {
    const { value, done } = await batches.next();
    if (done) break;
    all.push(value);
  }
  return all;
}

/** Reads from `position` to the present end. */
export async function readAll(
  log: Log,
  position: LogPosition,
  options: Parameters<Log["read"]>[1] = {},
): Promise<LogBatch[]> {
  const all: LogBatch[] = [];
  for (let at = position; ; ) {
    const batch = await log.read(at, options);
    if (batch.chunks.length === 0 && batch.gap === undefined) return all;
    all.push(batch);
    at = batch.position;
  }
}

export function chunksOf(batches: readonly LogBatch[]): LogChunk[] {
  return batches.flatMap(({ chunks }) => chunks);
}

export function bytesOf(batches: readonly LogBatch[], stream: LogStreamName): Buffer {
  return Buffer.concat(
    chunksOf(batches)
      .filter((chunk) => chunk.stream === stream)
      .map(({ bytes }) => bytes),
  );
}

export function textOf(batches: readonly LogBatch[], stream: LogStreamName): string {
  return bytesOf(batches, stream).toString();
}
