import { create } from "@bufbuild/protobuf";
import {
  type Duration,
  DurationSchema,
  type Timestamp,
  timestampFromMs,
} from "@bufbuild/protobuf/wkt";

/** Absent stays absent. The request's rules have refused what is out of range. */
export function msFromDuration(duration: Duration): number {
  // Rounded up: half a millisecond is short, not "none", which 0 often means.
  return Number(duration.seconds) * 1000 + Math.ceil(duration.nanos / 1e6);
}

export function durationFromMs(ms: number): Duration {
  const seconds = Math.floor(ms / 1000);
  return create(DurationSchema, {
    seconds: BigInt(seconds),
    nanos: Math.round((ms - seconds * 1000) * 1e6),
  });
}

/** Epoch milliseconds, rounded down. */
export function msFromTimestamp(timestamp: Timestamp): number {
  return Number(timestamp.seconds) * 1000 + Math.floor(timestamp.nanos / 1e6);
}

export function timestampOrAbsent(ms: number | undefined): Timestamp | undefined {
  return ms === undefined ? undefined : timestampFromMs(ms);
}
