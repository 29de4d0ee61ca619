import { constants, fstatSync } from "node:fs";
import { type FileHandle, mkdir, open } from "node:fs/promises";
import type { Failpoints } from "../failpoints.ts";
import type { IndexRecord } from "./index-record.ts";
import { logFiles } from "./log-files.ts";
import { createLogGaps, type LogGaps } from "./log-gaps.ts";
import { type LogHead, type LogHeadFile, newGeneration, openLogHead } from "./log-head.ts";
import { type LogIndex, openLogIndex } from "./log-index.ts";
import type { Growth } from "./recorder.ts";
import type { PerStream } from "./stream.ts";

/** One open log: its files and what is known of them. Shared by everything that reads, records or trims it. */
export interface LogState {
  readonly directory: string;
  readonly generation: string;
  readonly outputs: PerStream<FileHandle>;
  readonly index: LogIndex;
  readonly gaps: PerStream<LogGaps>;
  /** Sizes and newer modification time at the last look. Readers go no further than this. */
  readonly known: Growth;
  /** Modification times of both at the last look, in milliseconds since the epoch. */
  readonly modified: PerStream<number>;
  /** Bytes below are trimmed: compare after each read, since a hole reads as zeros and zeros may be log. */
  readonly low: PerStream<number>;
  /** Grows with all that a waiting reader could want to know of. */
  readonly version: number;
  /** What the recorder has seen and not yet put into the index; whose bytes come next. */
  recording:
    | { readonly instance: number; readonly pending: () => IndexRecord | undefined }
    | undefined;
  /** The trim under way, or the last one: they take turns, or the low-water mark could go back. */
  trimming: Promise<unknown>;
  /** Looks at the files; true if they grew. Synchronous: two fstats cost less than one trip through the thread pool. */
  look(thorough: boolean): boolean;
  /** Records that are not in the index: pending ones and one for the newest bytes. */
  unrecorded(): readonly IndexRecord[];
  writeHead(change: Partial<LogHead>): Promise<void>;
  /** Tells waiting readers to look again. */
  wake(): void;
  /** Calls `wake` once, when the version is another than `version`; the returned function cancels. */
  onChange(version: number, wake: () => void): () => void;
  close(): Promise<void>;
}

/** Makes the directory (0700) and the files (0600) that are not there. */
export async function openLogState(
  directory: string,
  onError: (message: string, error: unknown) => void,
  failpoints?: Failpoints,
): Promise<LogState> {
  const files = logFiles(directory);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const opened: { close(): Promise<void> }[] = [];
  const keep = <T extends { close(): Promise<void> }>(closable: T): T => {
    opened.push(closable);
    return closable;
  };
  try {
    const outputs: PerStream<FileHandle> = [
      keep(await openOutput(files.outputs[0])),
      keep(await openOutput(files.outputs[1])),
    ];
    const headFile = keep(await openLogHead(files.head));
    const index = keep(
      await openLogIndex({
        path: files.index,
        first: headFile.head.firstRecord,
        failpoints,
        sizes: [(await outputs[0].stat()).size, (await outputs[1].stat()).size],
        onError: (error) => onError("cannot write the index of a log", error),
      }),
    );
    const gaps: PerStream<LogGaps> = [createLogGaps(files.gaps[0]), createLogGaps(files.gaps[1])];
    const state = createLogState(directory, { outputs, headFile, index, gaps }, onError);
    // Cursors of bytes that are lost must not point into those that come in their place.
    if (index.outputsShrank) await state.writeHead({ generation: newGeneration() });
    state.look(true);
    return state;
  } catch (error) {
    await Promise.allSettled(opened.map((closable) => closable.close()));
    throw error;
  }
}

function openOutput(path: string): Promise<FileHandle> {
  // Read-only and yet created: a reader may come before the first writer.
  return open(path, constants.O_RDONLY | constants.O_CREAT, 0o600);
}

interface Parts {
  readonly outputs: PerStream<FileHandle>;
  readonly headFile: LogHeadFile;
  readonly index: LogIndex;
  readonly gaps: PerStream<LogGaps>;
}

function createLogState(
  directory: string,
  { outputs, headFile, index, gaps }: Parts,
  onError: (message: string, error: unknown) => void,
): LogState {
  let head = headFile.head;
  let known: Growth = { time: 0, offsets: [0, 0] };
  let modified: PerStream<number> = [0, 0];
  let version = 0;
  let closed = false;
  const waiting = new Set<() => void>();

  const wake = () => {
    version += 1;
    for (const waiter of [...waiting]) waiter();
  };
  let headWritten: Promise<void> = Promise.resolve();
  const writeHead = (change: Partial<LogHead>): Promise<void> => {
    const written = headWritten.then(async () => {
      await headFile.write({ ...head, ...change });
      head = { ...head, ...change };
    });
    headWritten = written.catch(() => undefined);
    return written;
  };
  /** Somebody cut the files: offsets mean other bytes from now on. */
  const startOver = () => {
    index.reset();
    known = { time: 0, offsets: [0, 0] };
    head = { generation: newGeneration(), low: [0, 0], firstRecord: 0 };
    writeHead(head).catch((error) => onError("cannot write the head of a log", error));
  };
  const look = (thorough: boolean): boolean => {
    if (closed) return false;
    const stdout = fstatSync(outputs[0].fd);
    const stderr = fstatSync(outputs[1].fd);
    if (stdout.size < known.offsets[0] || stderr.size < known.offsets[1]) startOver();
    const grew = stdout.size > known.offsets[0] || stderr.size > known.offsets[1];
    // After the sizes: a gap's line is there before the bytes behind it.
    const lost = (grew || thorough) && [gaps[0].refresh(), gaps[1].refresh()].includes(true);
    if (grew) {
      // Only with growth: punching a hole touches the time as well.
      modified = [Math.round(stdout.mtimeMs), Math.round(stderr.mtimeMs)];
      known = { time: Math.max(...modified), offsets: [stdout.size, stderr.size] };
    }
    if (grew || lost) wake();
    return grew;
  };

  return {
    directory,
    outputs,
    index,
    gaps,
    recording: undefined,
    trimming: Promise.resolve(),
    get generation() {
      return head.generation;
    },
    get low() {
      return head.low;
    },
    get known() {
      return known;
    },
    get modified() {
      return modified;
    },
    get version() {
      return version;
    },
    look,
    wake,
    writeHead,
    unrecorded() {
      const pending = this.recording?.pending();
      const last = pending ?? index.last();
      const start = last?.offsets ?? [0, 0];
      const instance = this.recording?.instance ?? last?.instance ?? 0;
      const records = pending === undefined ? [] : [pending];
      const newest = known.offsets[0] > start[0] || known.offsets[1] > start[1];
      return newest ? [...records, { ...known, instance }] : records;
    },
    onChange(seen, waiter) {
      const once = () => {
        waiting.delete(once);
        waiter();
      };
      if (seen === version && !closed) waiting.add(once);
      else queueMicrotask(waiter);
      return () => waiting.delete(once);
    },
    async close() {
      closed = true;
      wake();
      await headWritten;
      await Promise.all([outputs[0].close(), outputs[1].close(), headFile.close(), index.close()]);
    },
  };
}
