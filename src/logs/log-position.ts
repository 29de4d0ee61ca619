import { invalidField, RuntimeError } from "../errors.ts";
import { type LogStreamName, type PerStream, selectStreams } from "./stream.ts";

/** How far a reader has come. Plain data: nothing has to be released for it. */
export interface LogPosition {
  /** Of which log these offsets are. */
  readonly generation: string;
  /** The next byte to read of each stream. */
  readonly offsets: PerStream<number>;
  /** Lost bytes at exactly these offsets that the reader has been told of. */
  readonly told: PerStream<number>;
  /** Index record at which to go on looking. Only a hint: not in the cursor, checked before use. */
  readonly record?: number;
}

/** The opaque string that stands for a position towards callers; valid over restarts of everything. */
export function encodeCursor(position: LogPosition): string {
  const { generation, offsets, told } = position;
  return Buffer.from(["1", generation, ...offsets, ...told].join(" ")).toString("base64url");
}

/** @throws INVALID_FIELD when the string is no cursor of ours. */
export function decodeCursor(cursor: string): LogPosition {
  const [version, generation, ...numbers] = Buffer.from(cursor, "base64url").toString().split(" ");
  const [stdout, stderr, stdoutTold, stderrTold] = numbers.map(parseOffset);
  if (
    version !== "1" ||
    !generation ||
    numbers.length !== 4 ||
    stdout === undefined ||
    stderr === undefined ||
    stdoutTold === undefined ||
    stderrTold === undefined
  ) {
    throw invalidField("cursor", "is not a cursor of a log");
  }
  return { generation, offsets: [stdout, stderr], told: [stdoutTold, stderrTold] };
}

/** Nothing of these streams (none: both) below `until` is left to read. */
export function hasReached(
  { offsets }: LogPosition,
  until: PerStream<number>,
  streams: readonly LogStreamName[],
): boolean {
  return selectStreams(streams).every((stream) => offsets[stream] >= until[stream]);
}

export function cursorExpired(why: string): RuntimeError {
  return new RuntimeError("CURSOR_EXPIRED", `the cursor is not one of this log any more: ${why}`);
}

function parseOffset(text: string): number | undefined {
  const value = Number(text);
  return /^\d{1,16}$/.test(text) && Number.isSafeInteger(value) ? value : undefined;
}
