import type { IndexRecord } from "./index-record.ts";
import type { PerStream } from "./stream.ts";

/** What a look at the two outputs has found. */
export interface Growth {
  /** Milliseconds since the epoch: the newer file's modification time. */
  readonly time: number;
  readonly offsets: PerStream<number>;
}

/** Decides which looks become index records. No I/O. */
export interface Recorder {
  /** Records to append now. `monotonic` in milliseconds. */
  look(growth: Growth, monotonic: number): IndexRecord[];
  /** The same when nothing grows any more: what is pending is recorded. */
  settle(growth: Growth): IndexRecord[];
  /** Seen, but not yet in a record. */
  readonly pending: IndexRecord | undefined;
}

/** No two records are nearer than this. */
const FINEST_MS = 10;
/** While only one stream grows there is no order to keep: times alone need no more than this. */
const ONE_STREAM_MS = 100;
/** Timers fire a little early or late; a poll of 10 ms must not be skipped for that. */
const SLACK_MS = 1;

export function createRecorder(start: PerStream<number>, instance: number): Recorder {
  let recorded = start;
  let pending: IndexRecord | undefined;
  let pendingSince = -Infinity;
  let lookedAt = -Infinity;

  const take = (growth: Growth, monotonic: number): IndexRecord[] => {
    const before = pending?.offsets ?? recorded;
    const grown = grownSince(before, growth.offsets);
    const records: IndexRecord[] = [];
    if (pending !== undefined) {
      const sameStreamOnly =
        grown === NOTHING || (grown !== BOTH && grown === grownSince(recorded, pending.offsets));
      if (!sameStreamOnly || monotonic - pendingSince >= ONE_STREAM_MS - SLACK_MS) {
        records.push(pending);
        recorded = pending.offsets;
        pending = undefined;
      }
    }
    if (grown !== NOTHING) {
      if (pending === undefined) pendingSince = monotonic;
      pending = { time: growth.time, offsets: growth.offsets, instance };
    }
    return records;
  };

  return {
    get pending() {
      return pending;
    },
    look(growth, monotonic) {
      if (monotonic - lookedAt < FINEST_MS - SLACK_MS) return [];
      lookedAt = monotonic;
      return take(growth, monotonic);
    },
    settle(growth) {
      const records = take(growth, Infinity);
      if (pending !== undefined) {
        records.push(pending);
        recorded = pending.offsets;
        pending = undefined;
      }
      return records;
    },
  };
}

const NOTHING = 0;
const BOTH = 3;

function grownSince(before: PerStream<number>, now: PerStream<number>): number {
  return (now[0] > before[0] ? 1 : 0) | (now[1] > before[1] ? 2 : 0);
}
