import type { Clock } from "../clock.ts";
import { BATCH_BYTES, type Log } from "./log.ts";
import type { LogBatch } from "./log-batch.ts";
import { hasReached } from "./log-position.ts";
import type { LogStart } from "./resolve-start.ts";
import { createSettling } from "./settling.ts";
import type { LogStreamName, PerStream } from "./stream.ts";

export interface FollowOptions<End> {
  readonly clock: Clock;
  readonly start: LogStart;
  /** None: both. */
  readonly streams?: readonly LogStreamName[];
  /** False: ends where the log ended when it was called. */
  readonly follow: boolean;
  /** Of one batch. Default 256 KiB. */
  readonly maxBytes?: number;
  /** Ends the following, and gives everything back even if nobody ever asks for a batch again. */
  readonly signal: AbortSignal;
  /**
   * Defined once nothing more will be written: the rest is told, then this, then the following ends. Whoever
   * makes it defined calls `log.wake()`.
   */
  readonly ended: () => End | undefined;
  /** A heartbeat after so much quiet, in milliseconds. Default 15,000. */
  readonly heartbeatMs?: number;
}

export type FollowedBatch<End> = LogBatch & {
  /** The last batch of a log that has ended. */
  readonly end?: End;
  /** Nothing happened for a while. */
  readonly heartbeat?: true;
};

const HEARTBEAT_MS = 15_000;

/**
 * History, then live, then the end. Pull-based: nothing is read before it is asked for, nothing is queued.
 * Takes over the caller's hold of the log, and releases it at the end, on `return()` or on the signal.
 */
export function followLog<End>(
  log: Log,
  options: FollowOptions<End>,
): AsyncGenerator<FollowedBatch<End>, void, undefined> {
  const stop = new AbortController();
  const unfollow = log.follow();
  const release = () => {
    if (stop.signal.aborted) return;
    stop.abort();
    options.signal.removeEventListener("abort", release);
    unfollow();
    log.release();
  };
  const batches = follow(log, options, stop.signal, release);
  options.signal.addEventListener("abort", release, { once: true });
  if (options.signal.aborted) release();
  // A generator that was never started does not run its `finally` either.
  const giveUp = batches.return.bind(batches);
  batches.return = (value) => {
    release();
    return giveUp(value);
  };
  return batches;
}

async function* follow<End>(
  log: Log,
  options: FollowOptions<End>,
  signal: AbortSignal,
  release: () => void,
): AsyncGenerator<FollowedBatch<End>, void, undefined> {
  const { clock, streams = [], ended, maxBytes = BATCH_BYTES } = options;
  const heartbeatMs = options.heartbeatMs ?? HEARTBEAT_MS;
  try {
    if (signal.aborted) return;
    let position = await log.position(options.start, streams);
    // What has ended cannot run away from a reader: it is told to its end either way.
    const until = options.follow || ended() !== undefined ? undefined : (await log.end()).offsets;
    const settling = createSettling(clock);
    let told = clock.monotonic();
    while (!signal.aborted) {
      // Both before the read: what happens from here on is found by the next one.
      const { version } = log;
      const end = ended();
      const tellRest = end !== undefined || until ? TELL_BOTH : settling.settled();
      const batch = await log.read(position, { streams, maxBytes, tellRest, reuseMemory: true });
      position = batch.position;
      settling.note(batch);
      if (signal.aborted) return;

      if (batch.chunks.length > 0 || batch.gap !== undefined) {
        yield batch;
        told = clock.monotonic();
        if (until && hasReached(position, until, streams)) return;
        continue;
      }
      if (end !== undefined) {
        yield { ...batch, end };
        return;
      }
      if (until) return;
      const quietMs = clock.monotonic() - told;
      if (quietMs >= heartbeatMs) {
        yield { ...batch, heartbeat: true };
        told = clock.monotonic();
        continue;
      }
      const waitMs = Math.min(heartbeatMs - quietMs, settling.waitMs());
      await changed(log, version, clock, signal, waitMs);
    }
  } catch (error) {
    // Given up in the middle of a read: its file is closed.
    if (!signal.aborted) throw error;
  } finally {
    release();
  }
}

const TELL_BOTH: PerStream<boolean> = [true, true];

/** Resolves when the log is another than that of `version`, on the signal, or after `timeoutMs`. */
function changed(
  log: Log,
  version: number,
  clock: Clock,
  signal: AbortSignal,
  timeoutMs: number,
): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      cancelTimer();
      cancelWait();
      signal.removeEventListener("abort", done);
      resolve();
    };
    const cancelTimer = clock.schedule(timeoutMs, done);
    const cancelWait = log.onChange(version, done);
    signal.addEventListener("abort", done, { once: true });
    if (signal.aborted) done();
  });
}
