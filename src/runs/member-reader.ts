import type { Clock } from "../clock.ts";
import { isRuntimeError } from "../errors.ts";
import type { Log } from "../logs/log.ts";
import type { LogBatch, LogChunk, LogGap } from "../logs/log-batch.ts";
import { hasReached, type LogPosition } from "../logs/log-position.ts";
import { createSettling } from "../logs/settling.ts";
import { LOG_STREAMS, type LogStreamName, type PerStream } from "../logs/stream.ts";

/** Reads one log of several: it holds what one pull gave until that is taken. */
export interface MemberReader {
  /**
   * unread: there may be more to read. ready: something read waits to be taken. quiet: nothing until the
   * log grows, an unfinished line settles, or it is closed. done: closed, and all of it was taken.
   */
  readonly state: "unread" | "ready" | "quiet" | "done";
  /** Reads, if `unread`. */
  fill(): Promise<void>;
  /** What waits next, if `ready`: a chunk or a gap. */
  readonly chunk: LogChunk | undefined;
  readonly gap: LogGap | undefined;
  /** Monotonic time at which what waits was read. */
  readonly readAt: number;
  /** The pull had as much as it may have: more lies behind it. */
  readonly wasFull: boolean;
  /** Passes over what waits next. */
  take(): void;
  /** Behind what was taken. */
  readonly position: LogPosition;
  /** Monotonic time at which an unfinished line is told as it is. */
  readonly dueAt: number;
  /** Looks at the clock: `quiet` becomes `unread` when that time has come. */
  settle(): void;
  /**
   * over: nothing more is written, so it is read to its end. left: it is read to what is its end by now.
   * Undefined: open again.
   */
  close(how: "over" | "left" | undefined): void;
  /** Gives the hold of the log back. */
  release(): void;
}

export interface MemberReaderOptions {
  readonly log: Log;
  readonly position: LogPosition;
  readonly streams: readonly LogStreamName[];
  /** It may grow, and somebody waits for that. */
  readonly isLive: boolean;
  readonly clock: Clock;
  /** Of one pull. */
  readonly maxBytes: number;
  /** Something `quiet` has become `unread`. */
  readonly wake: () => void;
}

/** Takes over the caller's hold of the log. */
export function createMemberReader(options: MemberReaderOptions): MemberReader {
  const { log, streams, clock, maxBytes, wake } = options;
  const settling = createSettling(clock);
  const unfollow = options.isLive ? log.follow() : () => {};
  let state: MemberReader["state"] = "unread";
  let position = options.position;
  let batch: LogBatch | undefined;
  let next = 0;
  let gap: LogGap | undefined;
  let size = 0;
  let readAt = 0;
  let closed: "over" | "left" | undefined;
  let until: PerStream<number> | undefined;
  let dueAt = Number.POSITIVE_INFINITY;
  let cancelWait = () => {};
  let isReleased = false;

  const lookAgain = () => {
    if (state !== "quiet") return;
    cancelWait();
    state = "unread";
    wake();
  };

  const fill = async () => {
    if (closed === "left") until ??= (await log.end()).offsets;
    const { version } = log;
    const was = closed;
    const tellRest: PerStream<boolean> = was === undefined ? settling.settled() : [true, true];
    const read = await log.read(position, { streams, maxBytes, tellRest });
    if (isReleased) return;
    settling.note(read);
    if (read.chunks.length > 0 || read.gap !== undefined) {
      batch = read;
      next = 0;
      gap = read.gap;
      size = read.chunks.reduce((sum, { bytes }) => sum + bytes.length, 0);
      readAt = clock.monotonic();
      state = "ready";
    } else if (was !== undefined && was === closed) {
      state = "done";
    } else if (was === closed) {
      state = "quiet";
      dueAt = clock.monotonic() + settling.waitMs();
      cancelWait = log.onChange(version, lookAgain);
    }
  };

  return {
    get state() {
      return state;
    },
    async fill() {
      if (state !== "unread" || isReleased) return;
      try {
        await fill();
      } catch (error) {
        // Given up in the middle of a read: its file is closed.
        if (isReleased) return;
        if (!isRuntimeError(error, "CURSOR_EXPIRED")) throw error;
        await startOver();
      }
    },
    get chunk() {
      return state === "ready" ? batch?.chunks[next] : undefined;
    },
    get gap() {
      return state === "ready" ? gap : undefined;
    },
    get readAt() {
      return readAt;
    },
    get wasFull() {
      return size >= maxBytes / 2;
    },
    take() {
      const chunk = batch?.chunks[next];
      if (batch === undefined) return;
      next += 1;
      if (next < batch.chunks.length && chunk !== undefined) {
        position = behind(position, chunk);
        return;
      }
      position = batch.position;
      batch = undefined;
      gap = undefined;
      const isAll = until !== undefined && hasReached(position, until, streams);
      state = closed === "left" && isAll ? "done" : "unread";
    },
    get position() {
      return position;
    },
    get dueAt() {
      return state === "quiet" ? dueAt : Number.POSITIVE_INFINITY;
    },
    settle() {
      if (state === "quiet" && clock.monotonic() >= dueAt) lookAgain();
    },
    close(how) {
      if (how === closed) return;
      closed = how;
      until = undefined;
      if (state === "done") state = "unread";
      lookAgain();
    },
    release() {
      if (isReleased) return;
      isReleased = true;
      cancelWait();
      unfollow();
      log.release();
    },
  };

  /** The bytes that the position stood for are gone: how many nobody knows. */
  async function startOver(): Promise<void> {
    const beginning = await log.position({ kind: "beginning" }, streams);
    const stream = streams[0] ?? LOG_STREAMS[0];
    gap = { stream, bytes: 0, reason: "LOST" };
    batch = { chunks: [], gap, position: beginning, cursor: "", held: [false, false] };
    size = 0;
    readAt = clock.monotonic();
    state = "ready";
  }
}

/** Chunks of one stream follow each other without a hole, so the offset behind one is the sum. */
function behind(position: LogPosition, chunk: LogChunk): LogPosition {
  const { offsets, told } = position;
  const length = chunk.bytes.length;
  return chunk.stream === "STDOUT"
    ? { ...position, offsets: [offsets[0] + length, offsets[1]], told: [0, told[1]] }
    : { ...position, offsets: [offsets[0], offsets[1] + length], told: [told[0], 0] };
}
