import type { Clock } from "../clock.ts";
import type { LogBatch } from "./log-batch.ts";
import { type PerStream, STREAM_INDEXES, type StreamIndex } from "./stream.ts";

/** Since when each stream of one reader has had the same unfinished line at its end. */
export interface Settling {
  /** To be told of every batch that the reader pulls. */
  note(batch: LogBatch): void;
  /** The streams whose unfinished line has waited long enough to be told as it is. */
  settled(): PerStream<boolean>;
  /** Milliseconds until another one has; infinite when none waits. */
  waitMs(): number;
}

/** An unfinished line is told when it has been so for this long: a prompt, or a writer's block in transit. */
const SETTLE_MS = 10;

export function createSettling(clock: Clock): Settling {
  const offsets: [number, number] = [-1, -1];
  const since: [number, number] = [Infinity, Infinity];
  const settled = (stream: StreamIndex) => clock.monotonic() - since[stream] >= SETTLE_MS;
  return {
    note({ held, position }) {
      for (const stream of STREAM_INDEXES) {
        if (!held[stream]) since[stream] = Infinity;
        else if (since[stream] === Infinity || offsets[stream] !== position.offsets[stream]) {
          since[stream] = clock.monotonic();
        }
        offsets[stream] = position.offsets[stream];
      }
    },
    settled: () => [settled(0), settled(1)],
    waitMs: () => Math.max(0, Math.min(...since) + SETTLE_MS - clock.monotonic()),
  };
}
