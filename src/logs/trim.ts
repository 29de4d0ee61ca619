import { INDEX_RECORD_BYTES } from "./index-record.ts";
import { logFiles } from "./log-files.ts";
import type { LogState } from "./log-state.ts";
import { type PerStream, STREAM_INDEXES, type StreamIndex } from "./stream.ts";

/** Gives the blocks of a part of a file back to the file system; its size stays, the part reads as zeros. */
export type PunchHole = (path: string, offset: number, length: number) => Promise<void>;

export interface Trimmer {
  /** Begins to trim if there is a reason to and it has not begun. */
  check(): void;
  /** Resolves when there is no reason to trim any more. */
  finish(): Promise<void>;
}

export interface TrimmerOptions {
  readonly state: LogState;
  /** Kept of each stream, in bytes. */
  readonly maxBytes: number;
  readonly punchHole: PunchHole;
  readonly onError: (message: string, error: unknown) => void;
}

/** Keeps a log near `maxBytes` a stream by punching its head out, so that offsets never change. */
export function createTrimmer({ state, maxBytes, punchHole, onError }: TrimmerOptions): Trimmer {
  // Each hole costs a process: they are not made for every line.
  const slack = Math.max(maxBytes / 8, LEAST_HOLE_BYTES);
  let trimming: Promise<void> | undefined;
  let failed = false;

  const due = () =>
    STREAM_INDEXES.filter(
      (stream) => state.known.offsets[stream] - state.low[stream] > maxBytes + slack,
    );
  const check = () => {
    if (trimming !== undefined || failed || due().length === 0) return;
    trimming = inTurn(state, () => trimLog(state, due(), maxBytes, punchHole))
      .catch((error) => {
        failed = true;
        onError("cannot trim a log: it grows without bound", error);
      })
      .finally(() => {
        trimming = undefined;
        // What grew meanwhile may never grow again.
        check();
      });
  };
  return {
    check,
    async finish() {
      // What grew while a hole was being punched is the reason for the next one.
      for (check(); trimming !== undefined; check()) await trimming;
    },
  };
}

/** Cuts each stream down to about `keepBytes`, whatever was to be kept of it: for a disk that runs full. */
export async function shrinkLog(
  state: LogState,
  keepBytes: number,
  punchHole: PunchHole,
): Promise<void> {
  state.look(true);
  await inTurn(state, async () => {
    const due = STREAM_INDEXES.filter(
      (stream) => state.known.offsets[stream] - state.low[stream] > keepBytes + LEAST_HOLE_BYTES,
    );
    if (due.length > 0) await trimLog(state, due, keepBytes, punchHole);
  });
}

function inTurn(state: LogState, trim: () => Promise<void>): Promise<void> {
  const turn = state.trimming.then(trim);
  state.trimming = turn.catch(() => undefined);
  return turn;
}

const BLOCK_BYTES = 4096;
const LEAST_HOLE_BYTES = 64 * 1024;
/** Index records are trimmed in pieces of 128 KiB. */
const LEAST_RECORDS = 4096;
/** Two streams that write a byte each 10 ms would else have more index than log. */
const MOST_RECORDS = 1 << 20;

async function trimLog(
  state: LogState,
  streams: readonly StreamIndex[],
  maxBytes: number,
  punchHole: PunchHole,
): Promise<void> {
  const files = logFiles(state.directory);
  const { generation } = state;
  const was = state.low;
  const low: [number, number] = [...was];
  for (const stream of streams) {
    low[stream] = await lineAfter(state, stream, state.known.offsets[stream] - maxBytes);
  }
  const firstRecord = await firstKeptRecord(state, low);
  const wasFirst = state.index.first;
  if (state.generation !== generation) return;
  // The mark comes first: readers must know before the bytes turn into zeros.
  await state.writeHead({ low, firstRecord });
  state.index.first = firstRecord;
  for (const stream of streams) {
    await punchBlocks(punchHole, files.outputs[stream], was[stream], low[stream]);
  }
  if (firstRecord > wasFirst) {
    const [from, to] = [wasFirst * INDEX_RECORD_BYTES, firstRecord * INDEX_RECORD_BYTES];
    await punchBlocks(punchHole, files.index, from, to);
  }
}

/** The beginning of the next line if there is one near, so that what is kept begins with a whole one. */
async function lineAfter(state: LogState, stream: StreamIndex, offset: number): Promise<number> {
  const bytes = Buffer.allocUnsafe(LEAST_HOLE_BYTES);
  const { bytesRead } = await state.outputs[stream].read(bytes, 0, bytes.length, offset);
  return offset + bytes.subarray(0, bytesRead).indexOf(10) + 1;
}

async function firstKeptRecord({ index }: LogState, low: PerStream<number>): Promise<number> {
  const needed = await index.search(({ offsets }) => offsets[0] > low[0] || offsets[1] > low[1]);
  // The last record always stays: it knows the instance.
  const first = Math.max(Math.min(needed, index.count - 1), index.count - MOST_RECORDS);
  return first - index.first >= LEAST_RECORDS ? first - (first % LEAST_RECORDS) : index.first;
}

async function punchBlocks(punchHole: PunchHole, path: string, from: number, to: number) {
  const start = from - (from % BLOCK_BYTES);
  const end = to - (to % BLOCK_BYTES);
  if (end > start) await punchHole(path, start, end - start);
}
