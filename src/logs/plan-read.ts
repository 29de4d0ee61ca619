import type { IndexRecord } from "./index-record.ts";
import type { LogPosition } from "./log-position.ts";
import type { LogState } from "./log-state.ts";
import type { PerStream, StreamIndex } from "./stream.ts";

/** Bytes of one stream within one index record's span. */
export interface Segment {
  readonly stream: StreamIndex;
  readonly start: number;
  readonly end: number;
  readonly record: number;
  readonly time: number;
  readonly instance: number;
  /**
   * What to do with a line that is unfinished at `end`.
   * wait: its rest is in a later span or comes with the next batch.
   * newest: these are the last bytes of the file; its rest may come any moment.
   * idle: nothing came for a whole record, so it is told as it is.
   * break: it is cut here for good, by a gap or the end of an instance.
   */
  readonly rest: "wait" | "newest" | "idle" | "break";
}

/** What to read from `position` on: at most `maxBytes`, in the order of the index, up to the next gap. */
export async function planRead(
  state: LogState,
  position: LogPosition,
  streams: readonly StreamIndex[],
  maxBytes: number,
): Promise<readonly Segment[]> {
  // All at one moment: records that are appended while we read the index describe the same bytes once more.
  const known = state.known.offsets;
  const written = state.index.count;
  const unrecorded = state.unrecorded();
  const limits: PerStream<number> = [
    state.gaps[0].nextAfter(position.offsets[0]),
    state.gaps[1].nextAfter(position.offsets[1]),
  ];
  const segments: Omit<Segment, "rest">[] = [];
  const next: [number, number] = [...position.offsets];
  let room = maxBytes;

  /** False when the batch is full or has come to a gap. */
  const take = ({ offsets, time, instance }: IndexRecord, record: number): boolean => {
    for (const stream of streams) {
      const start = next[stream];
      const whole = Math.min(offsets[stream], limits[stream]);
      const end = Math.min(whole, start + room);
      if (end > start) {
        segments.push({ stream, start, end, record, time, instance });
        next[stream] = end;
        room -= end - start;
      }
      if (room === 0 || end === limits[stream]) return false;
    }
    return true;
  };
  const walk = async () => {
    let number = await firstRecord(state, position, streams, written);
    while (number < written) {
      const records = await state.index.from(number);
      if (records.length === 0) break;
      for (const record of records) {
        if (number === written) break;
        if (!take(record, number++)) return;
      }
    }
    unrecorded.every((record, i) => take(record, written + i));
  };
  await walk();

  const newest = written + unrecorded.length - 1;
  const following: [Segment?, Segment?] = [];
  return segments
    .reverse()
    .map((segment): Segment => {
      const { stream, end, record, instance } = segment;
      const rest = (): Segment["rest"] => {
        const after = following[stream];
        if (after !== undefined) {
          if (after.instance !== instance) return "break";
          return after.record > record + 1 ? "idle" : "wait";
        }
        if (end === limits[stream]) return "break";
        if (end < known[stream]) return "wait";
        return record < newest ? "idle" : "newest";
      };
      const planned = { ...segment, rest: rest() };
      following[stream] = planned;
      return planned;
    })
    .reverse();
}

/** Number of the first record that has bytes beyond the position. */
async function firstRecord(
  { index }: LogState,
  position: LogPosition,
  streams: readonly StreamIndex[],
  count: number,
): Promise<number> {
  const beyond = (record: IndexRecord) =>
    streams.some((stream) => record.offsets[stream] > position.offsets[stream]);
  const hint = position.record;
  if (hint !== undefined && hint > index.first && hint <= count) {
    // Readers go forward: mostly the hint is it, or near.
    const [before, ...after] = await index.from(hint - 1);
    if (before !== undefined && !beyond(before)) {
      const near = after.findIndex(beyond);
      if (near >= 0) return Math.min(hint + near, count);
      return await index.search(beyond, Math.min(hint + after.length, count), count);
    }
  }
  return await index.search(beyond, Math.min(index.first, count), count);
}
