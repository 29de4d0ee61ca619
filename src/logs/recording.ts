import { join } from "node:path";
import type { Clock } from "../clock.ts";
import type { GrowthWatcher } from "./growth-watcher.ts";
import type { IndexRecord } from "./index-record.ts";
import { readLost } from "./log-gaps.ts";
import type { LogState } from "./log-state.ts";
import { createRecorder } from "./recorder.ts";
import { LOG_STREAMS, type PerStream, STREAM_INDEXES } from "./stream.ts";
import { createTrimmer, type PunchHole } from "./trim.ts";

export interface RecordOptions {
  /** Kept of each stream, in bytes. Default: that of the logs. */
  readonly maxBytes?: number;
  /** Where the shim leaves `stdout.lost` and `stderr.lost`; without it, a loss at the end is not told. */
  readonly instanceDirectory?: string;
}

/** The time index of a log being written while an instance runs. */
export interface Recording {
  /**
   * To be called once nothing more will be appended (drained, or cut off): records the rest, and what was lost
   * at the end. Calling it again is harmless.
   */
  stop(): Promise<void>;
}

/** As its log has it: what was lost is noted when there is space for that, and the files stay open until then. */
export interface OwnRecording extends Recording {
  noted(): Promise<void>;
}

export interface RecordingOptions extends RecordOptions {
  readonly state: LogState;
  readonly instance: number;
  readonly maxBytes: number;
  readonly clock: Clock;
  readonly growth: GrowthWatcher;
  readonly punchHole: PunchHole | undefined;
  readonly onError: (message: string, error: unknown) => void;
}

const RETRY_MS = 1_000;

/** Bytes that are in no record yet belong to the instance of the last record, if there is one, else to this one. */
export function startRecording(options: RecordingOptions): OwnRecording {
  const { state, instance, clock, punchHole, onError } = options;
  state.look(true);
  for (const record of catchUp(state, instance)) state.index.append(record);

  const recorder = createRecorder(state.known.offsets, instance);
  const trimmer =
    punchHole && createTrimmer({ state, maxBytes: options.maxBytes, punchHole, onError });
  const append = (records: readonly IndexRecord[]) => {
    for (const record of records) state.index.append(record);
  };
  const recording = { instance, pending: () => recorder.pending };
  state.recording = recording;
  // Readers look at the files as well: what is new to us is not always new to them.
  let seen = state.known;
  const unwatch = options.growth.watch({
    directory: state.directory,
    look(thorough) {
      state.look(thorough);
      if (seen === state.known && recorder.pending === undefined) return false;
      append(recorder.look(state.known, clock.monotonic()));
      trimmer?.check();
      const grew = seen !== state.known;
      seen = state.known;
      return grew;
    },
    settle: () => append(recorder.settle(state.known)),
  });
  // What grew beyond its bound while nobody looked need not grow again.
  trimmer?.check();

  const stop = async () => {
    unwatch();
    state.look(true);
    append(recorder.settle(state.known));
    if (state.recording === recording) state.recording = undefined;
    const { instanceDirectory } = options;
    if (instanceDirectory !== undefined) {
      const end = state.known.offsets;
      const note = () => noteLost(state, instance, instanceDirectory, end);
      await note().catch((error: unknown) => {
        onError("cannot note yet what a log lost at its end", error);
        noted = noteLater(note);
      });
    }
    state.wake();
    await state.index.flush();
    await trimmer?.finish();
  };
  /** The disk on which output was lost is often still full. */
  const noteLater = (note: () => Promise<void>): Promise<void> =>
    new Promise((resolve) => {
      clock.schedule(RETRY_MS, () => {
        note().then(
          () => {
            state.wake();
            resolve();
          },
          () => resolve(noteLater(note)),
        );
      });
    });
  let noted: Promise<void> = Promise.resolve();
  let stopped: Promise<void> | undefined;
  return {
    noted: () => noted,
    stop() {
      stopped ??= stop();
      return stopped;
    },
  };
}

/** Records for what was written while nobody looked: the files' own times are all that is known of it. */
function catchUp(state: LogState, instance: number): IndexRecord[] {
  const last = state.index.last();
  const start: PerStream<number> = last?.offsets ?? [0, 0];
  const { offsets, time } = state.known;
  const owner = last?.instance ?? instance;
  const records: IndexRecord[] = [];
  const [stdoutTime, stderrTime] = state.modified;
  const [stdoutGrew, stderrGrew] = [offsets[0] > start[0], offsets[1] > start[1]];
  if (stdoutGrew && stderrGrew && stdoutTime !== stderrTime) {
    records.push(
      stdoutTime < stderrTime
        ? { time: stdoutTime, offsets: [offsets[0], start[1]], instance: owner }
        : { time: stderrTime, offsets: [start[0], offsets[1]], instance: owner },
    );
  }
  if (stdoutGrew || stderrGrew) records.push({ time, offsets, instance: owner });
  // A record without bytes: from here on it is another's, even if we die before the first real one.
  if (owner !== instance || records.length + state.index.count === 0) {
    records.push({ time, offsets, instance });
  }
  return records;
}

async function noteLost(
  state: LogState,
  instance: number,
  instanceDirectory: string,
  end: PerStream<number>,
): Promise<void> {
  for (const stream of STREAM_INDEXES) {
    const name = `${LOG_STREAMS[stream].toLowerCase()}.lost`;
    const bytes = await readLost(join(instanceDirectory, name));
    if (bytes > 0) {
      await state.gaps[stream].add({ offset: end[stream], bytes, instance });
    }
  }
}
