import type { Clock } from "../clock.ts";
import type { BlockReader } from "./block-reader.ts";
import type { GrowthWatcher } from "./growth-watcher.ts";
import type { LogBatch } from "./log-batch.ts";
import type { LogPosition } from "./log-position.ts";
import type { LogState } from "./log-state.ts";
import { readBatch } from "./read-batch.ts";
import { BLOCK_BYTES } from "./read-memory.ts";
import { type Recording, type RecordOptions, startRecording } from "./recording.ts";
import { endPosition, type LogStart, resolveStart } from "./resolve-start.ts";
import { type LogStreamName, type PerStream, selectStreams } from "./stream.ts";
import { type PunchHole, shrinkLog } from "./trim.ts";

/** The two outputs of one service (over all its instances) or command, and their common index. */
export interface Log {
  /** Random, made with the log, kept in a file; another one after the outputs were cut by hand. */
  readonly generation: string;
  /**
   * Begins to index and trim what grows, until the recording is stopped. What is written from now on is
   * attributed to `instance`. Also to be called for an instance that ran or ended while the daemon was away.
   * One at a time: an error if another recording runs.
   */
  record(instance: number, options?: RecordOptions): Promise<Recording>;
  /** Cuts each stream down to about so many bytes, if holes can be had; what is lost is a gap. */
  shrink(keepBytes: number): Promise<void>;
  /** Tells waiting readers to look again: whoever knows that the log has ended must call it. */
  wake(): void;
  /**
   * One pull: at most `maxBytes` (default 256 KiB) from `position`; no chunks and no gap means the end.
   * Whole lines where possible. `tellRest` (default both): streams whose unfinished last line is told too.
   * @throws CURSOR_EXPIRED when the position is not within this log any more.
   */
  read(position: LogPosition, options?: ReadOptions): Promise<LogBatch>;
  /**
   * Where to begin. `streams` (default both) matters to the tail alone.
   * @throws INVALID_FIELD for what is no cursor, CURSOR_EXPIRED for one of another log or beyond the end.
   */
  position(start: LogStart, streams?: readonly LogStreamName[]): Promise<LogPosition>;
  end(): Promise<LogPosition>;
  /** Grows with everything that a reader at the end could be waiting for. */
  readonly version: number;
  /** Calls `wake` once, as soon as `version` is not the present one; the returned function cancels. */
  onChange(version: number, wake: () => void): () => void;
  /**
   * Announces a reader that waits for growth: it is counted, and the files are watched even if no recording
   * does so (a command's output). The returned function ends it.
   */
  follow(): () => void;
  /** Gives this hold back; the last one closes the files. Calling it again is harmless. */
  release(): void;
}

export interface ReadOptions {
  readonly streams?: readonly LogStreamName[];
  readonly maxBytes?: number;
  readonly tellRest?: PerStream<boolean>;
  /** Reads into memory that a later pull uses again once the batch is released. Default: false. */
  readonly reuseMemory?: boolean;
}

/** What a message of StreamLogs holds at most. */
export const BATCH_BYTES = BLOCK_BYTES;

const TELL_BOTH: PerStream<boolean> = [true, true];

export interface LogDependencies {
  readonly clock: Clock;
  readonly growth: GrowthWatcher;
  /** For pulls that reuse memory. */
  readonly reader: BlockReader;
  readonly punchHole: PunchHole | undefined;
  readonly maxBytes: number;
  readonly onError: (message: string, error: unknown) => void;
  /** Takes one more hold; called for each recording, so that the files stay open as long as it runs. */
  readonly hold: () => () => void;
  readonly countReader: () => () => void;
}

/** One holder's view of an open log. `release` gives back the hold that came with it. */
export function createLog(
  state: LogState,
  dependencies: LogDependencies,
  release: () => void,
): Log {
  const { growth, hold } = dependencies;
  return {
    get generation() {
      return state.generation;
    },
    get version() {
      return state.version;
    },
    async record(instance, options = {}) {
      if (state.recording !== undefined) {
        throw new Error(
          `${state.directory} is being recorded for instance ${state.recording.instance}`,
        );
      }
      const giveBack = hold();
      const recording = startRecording({
        ...dependencies,
        ...options,
        state,
        instance,
      });
      return {
        stop: () => recording.stop().finally(() => void recording.noted().finally(giveBack)),
      };
    },
    async shrink(keepBytes) {
      const { punchHole } = dependencies;
      if (punchHole !== undefined) await shrinkLog(state, keepBytes, punchHole);
    },
    wake() {
      state.look(true);
      state.wake();
    },
    read: (position, options = {}) => {
      const { streams, maxBytes = BATCH_BYTES, tellRest = TELL_BOTH } = options;
      const reader = options.reuseMemory ? dependencies.reader : undefined;
      return readBatch(state, position, selectStreams(streams), maxBytes, tellRest, reader);
    },
    position: (start, streams) => resolveStart(state, start, selectStreams(streams)),
    async end() {
      state.look(true);
      return endPosition(state);
    },
    onChange: (version, wake) => state.onChange(version, wake),
    follow() {
      const uncount = dependencies.countReader();
      if (state.recording !== undefined) return uncount;
      const unwatch = growth.watch({
        directory: state.directory,
        look(thorough) {
          const seen = state.known;
          state.look(thorough);
          return state.known !== seen;
        },
        settle: () => undefined,
      });
      return () => {
        unwatch();
        uncount();
      };
    },
    release,
  };
}
