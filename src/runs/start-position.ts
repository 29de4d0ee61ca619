import type { Log } from "../logs/log.ts";
import type { LogPosition } from "../logs/log-position.ts";
import type { LogStreamName } from "../logs/stream.ts";
import type { GroupStart, PlaceInLog } from "./group-cursor.ts";
import type { Member } from "./members.ts";

/** The kernel stamps files up to so much behind the clock that stamps the leases. */
const STAMP_LAG_MS = 10;

/** Where a reader of the group begins in the log of a member. */
export async function startPosition(
  log: Log,
  member: Member,
  place: PlaceInLog | undefined,
  start: GroupStart,
  streams: readonly LogStreamName[],
): Promise<LogPosition> {
  if (place !== undefined && !place.hasLeft) return place.position;
  const asked = await log.position(start, streams);
  const own =
    member.since === undefined
      ? asked
      : later(asked, await log.position({ kind: "since", time: member.since - STAMP_LAG_MS }));
  // It came back: what was between is not the group's, but for a log that it started itself.
  if (place === undefined || place.position.generation !== own.generation) return own;
  return member.since === undefined ? place.position : later(own, place.position);
}

/** Nothing that it could begin with would be told. */
export function isPast(member: Member, start: GroupStart): boolean {
  if (member.state !== "over") return false;
  if (start.kind === "tail") return start.lines === 0;
  return start.kind === "since" && member.endTime !== undefined && member.endTime < start.time;
}

function later(one: LogPosition, other: LogPosition): LogPosition {
  const pick = (stream: 0 | 1) =>
    other.offsets[stream] > one.offsets[stream] ||
    (other.offsets[stream] === one.offsets[stream] && other.told[stream] > one.told[stream])
      ? other
      : one;
  const [stdout, stderr] = [pick(0), pick(1)];
  return {
    generation: one.generation,
    offsets: [stdout.offsets[0], stderr.offsets[1]],
    told: [stdout.told[0], stderr.told[1]],
  };
}
