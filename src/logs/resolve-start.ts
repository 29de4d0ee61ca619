import type { FileHandle } from "node:fs/promises";
import type { IndexRecord } from "./index-record.ts";
import { decodeCursor, type LogPosition } from "./log-position.ts";
import type { LogState } from "./log-state.ts";
import { checkPosition } from "./read-batch.ts";
import type { PerStream, StreamIndex } from "./stream.ts";

/** Where a reader begins. */
export type LogStart =
  | { readonly kind: "beginning" }
  | { readonly kind: "cursor"; readonly cursor: string }
  /** The last lines of the chosen streams together; 0 means only what comes from now on. */
  | { readonly kind: "tail"; readonly lines: number }
  /** What was written at this time (milliseconds since the epoch) or later, and at most one record more. */
  | { readonly kind: "since"; readonly time: number };

/** @throws INVALID_FIELD for what is no cursor, CURSOR_EXPIRED for one that is not within this log. */
export async function resolveStart(
  state: LogState,
  start: LogStart,
  streams: readonly StreamIndex[],
): Promise<LogPosition> {
  state.look(true);
  switch (start.kind) {
    case "beginning":
      // From byte 0 even when it is trimmed: that the beginning is gone is told as a gap.
      return { generation: state.generation, offsets: [0, 0], told: [0, 0] };
    case "cursor": {
      const position = decodeCursor(start.cursor);
      checkPosition(state, position);
      return position;
    }
    case "tail":
      return await lastLines(state, start.lines, streams);
    case "since":
      return await firstSince(state, start.time);
  }
}

/** The present end of both streams. Losses that stand there are past. */
export function endPosition(state: LogState): LogPosition {
  return positionAt(state, state.known.offsets);
}

function positionAt(state: LogState, offsets: PerStream<number>): LogPosition {
  return {
    generation: state.generation,
    offsets,
    told: [state.gaps[0].lostAt(offsets[0]), state.gaps[1].lostAt(offsets[1])],
  };
}

/**
 * Walks the spans backwards, and in each the streams in the reverse of the order in which they are told. A line
 * belongs to the span that holds its end.
 */
async function lastLines(
  state: LogState,
  lines: number,
  streams: readonly StreamIndex[],
): Promise<LogPosition> {
  const starts: [number, number] = [...state.known.offsets];
  const unrecorded = state.unrecorded();
  const written = state.index.count;
  const newlineBefore: PerStream<NewlineSearch> = [
    newlinesBackwards(state.outputs[0]),
    newlinesBackwards(state.outputs[1]),
  ];
  let missing = lines;
  for (let number = written + unrecorded.length - 1; number >= state.index.first; number--) {
    const before = await recordAt(state, unrecorded, written, number - 1);
    for (const stream of [...streams].reverse()) {
      const low = state.low[stream];
      const spanStart = Math.max(before?.offsets[stream] ?? 0, low);
      for (; missing > 0 && starts[stream] > spanStart; missing--) {
        const newline = await newlineBefore[stream](starts[stream] - 1, low);
        starts[stream] = newline < 0 ? low : newline + 1;
      }
    }
    if (missing === 0) break;
  }
  return positionAt(state, atLeast(starts, state.low));
}

/** Linearly: a clock that jumped back has left records whose times are not in order. */
async function firstSince(state: LogState, time: number): Promise<LogPosition> {
  const unrecorded = state.unrecorded();
  const written = state.index.count;
  let before: PerStream<number> = state.low;
  const found = (record: IndexRecord) => {
    if (record.time >= time) return true;
    before = record.offsets;
    return false;
  };
  for (let number = state.index.first; ; ) {
    const records = number < written ? await state.index.from(number) : unrecorded;
    if (records.some(found)) break;
    if (number >= written) return endPosition(state);
    number += records.length;
  }
  // The line that was unfinished then is told with its end, so from its beginning.
  const starts: PerStream<number> = [
    await lineStart(state, 0, before[0]),
    await lineStart(state, 1, before[1]),
  ];
  return positionAt(state, atLeast(starts, state.low));
}

async function recordAt(
  state: LogState,
  unrecorded: readonly IndexRecord[],
  written: number,
  number: number,
): Promise<IndexRecord | undefined> {
  if (number < state.index.first) return undefined;
  return number >= written ? unrecorded[number - written] : (await state.index.from(number))[0];
}

const WINDOW_BYTES = 64 * 1024;

async function lineStart(state: LogState, stream: StreamIndex, offset: number): Promise<number> {
  const floor = Math.max(state.low[stream], offset - WINDOW_BYTES);
  if (offset <= floor) return offset;
  const newline = await newlinesBackwards(state.outputs[stream])(offset, floor);
  if (newline >= 0) return newline + 1;
  return floor === state.low[stream] ? floor : offset;
}

type NewlineSearch = (end: number, floor: number) => Promise<number>;

/** Finds the last newline in [floor, end), or -1, reading each window of the file once. */
function newlinesBackwards(handle: FileHandle): NewlineSearch {
  let windowStart = 0;
  let window = Buffer.alloc(0);
  return async (end, floor) => {
    for (let to = end; to > floor; to = windowStart) {
      if (to > windowStart + window.length || to <= windowStart) {
        windowStart = Math.max(0, to - WINDOW_BYTES);
        window = Buffer.allocUnsafe(to - windowStart);
        const { bytesRead } = await handle.read(window, 0, window.length, windowStart);
        window.fill(0, bytesRead);
      }
      const found = window.subarray(0, to - windowStart).lastIndexOf(10);
      if (found >= 0) return windowStart + found >= floor ? windowStart + found : -1;
    }
    return -1;
  };
}

function atLeast(offsets: PerStream<number>, low: PerStream<number>): PerStream<number> {
  return [Math.max(offsets[0], low[0]), Math.max(offsets[1], low[1])];
}
