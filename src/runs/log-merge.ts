import type { Clock } from "../clock.ts";
import type { LogChunk, LogGap } from "../logs/log-batch.ts";
import { LOG_STREAMS, type LogStreamName } from "../logs/stream.ts";
import { entryAt, entryTime } from "./entry-time.ts";
import type { GroupPosition, GroupStart, PlaceInLog } from "./group-cursor.ts";
import type { LogLabels, LogSources } from "./log-source.ts";
import { createMemberReader, type MemberReader } from "./member-reader.ts";
import type { Member } from "./members.ts";
import { isPast, startPosition } from "./start-position.ts";

/**
 * The logs of many members as one: history in the order of its times, as well as the logs know
 * them, then what comes, so that none keeps the others waiting. Nothing is read that is not asked
 * for, and of each log at most one small piece is held.
 */
export interface LogMerge {
  /** A new member, or one whose state has changed. */
  put(member: Member): void;
  /** Every log ends where it ends by now, also of members that come later. */
  closeAll(): void;
  /** What can be told now; undefined when that is nothing. One call at a time. */
  take(): Promise<Told | undefined>;
  /** Behind all that was taken. `knownAt`: epoch ms up to which all members were put. */
  position(knownAt: number): GroupPosition;
  /** All there is of this member was taken, and no more of it will come. */
  isTold(key: string): boolean;
  /** Monotonic time at which there may be something to tell without a `wake`. */
  dueAt(): number;
  /** Gives all logs back. Safe at any moment, also while `take` is at work. */
  release(): void;
}

/** A gap stands alone. */
export interface Told {
  readonly chunks: readonly { readonly labels: LogLabels; readonly chunk: LogChunk }[];
  readonly gap?: { readonly labels: LogLabels; readonly gap: LogGap };
}

export interface LogMergeOptions {
  readonly sources: Pick<LogSources, "openLog">;
  readonly clock: Clock;
  readonly from: GroupPosition;
  readonly streams: readonly LogStreamName[];
  /** Of one `take`. */
  readonly maxBytes: number;
  /** Some log has grown. */
  readonly wake: () => void;
}

/** Of one log, at a time. */
const PIECE_BYTES = 32 * 1024;
/** A piece that waits for longer goes first, however much older lines others still have. */
const LONGEST_TURN_MS = 1_000;
/** An operation's or a lease's row stands at the latest so long after its id was made. */
const LATE_ROW_MS = 60_000;

interface Slot {
  member: Member;
  place: PlaceInLog | undefined;
  reader: MemberReader | undefined;
}

export function createLogMerge(options: LogMergeOptions): LogMerge {
  const { sources, clock, from, streams, maxBytes, wake } = options;
  const begun = clock.now();
  const slots = new Map<string, Slot>();
  /** Those that are read from. */
  const reading = new Set<Slot & { reader: MemberReader }>();
  /** Not opened yet, by the time of their entry. */
  const waiting: Slot[] = [];
  const places = new Map(from.logs);
  const done = new Set(from.done);
  let settledBelow = from.settledBelow;
  let isClosing = false;
  let isReleased = false;

  return {
    put,
    closeAll() {
      isClosing = true;
      for (const { member, reader } of reading) reader.close(closeOf(member));
    },
    take,
    position,
    isTold: (key) => !slots.has(key) || slots.get(key)?.place?.hasLeft === true,
    dueAt: () =>
      [...reading].reduce((least, { reader }) => Math.min(least, reader.dueAt), Infinity),
    release() {
      isReleased = true;
      for (const { reader } of reading) reader.release();
      reading.clear();
    },
  };

  function put(member: Member): void {
    const slot = slots.get(member.key);
    if (slot === undefined) {
      const place = places.get(member.key);
      // What still grows was never told to its end, whatever its id says.
      const isDone = done.has(member.entry) || member.entry < settledBelow;
      if (place === undefined && isDone && member.state === "over") return;
      const made: Slot = { member, place, reader: undefined };
      slots.set(member.key, made);
      places.delete(member.key);
      if (place === undefined && isPast(member, startOf(member))) finish(made);
      else admit(made);
      return;
    }
    slot.member = member;
    if (slot.reader !== undefined) slot.reader.close(closeOf(member));
    else if (slot.place?.hasLeft === true) admit(slot);
  }

  /** A slot without a reader: to be read, or of one that has left and does not come back. */
  function admit(slot: Slot): void {
    if (slot.place?.hasLeft === true && slot.member.state !== "open") {
      if (slot.member.state === "over") finish(slot);
      return;
    }
    if (waiting.includes(slot)) return;
    const after = waiting.findLastIndex(({ member }) => member.entry <= slot.member.entry);
    waiting.splice(after + 1, 0, slot);
  }

  function closeOf({ state }: Member): "over" | "left" | undefined {
    if (state === "over") return "over";
    return isClosing || state === "left" ? "left" : undefined;
  }

  /** What comes after the reader's start is told from its beginning. */
  function startOf({ entry }: Member): GroupStart {
    return entryTime(entry) < from.startTime ? from.start : { kind: "beginning" };
  }

  async function take(): Promise<Told | undefined> {
    const chunks: { labels: LogLabels; chunk: LogChunk }[] = [];
    /** Live, and read as far as it went: what comes meanwhile is for the next call. */
    const exhausted = new Set<MemberReader>();
    let room = maxBytes;
    while (room > 0) {
      const gone = await readOn(exhausted, chunks.length === 0);
      if (isReleased) return undefined;
      if (gone !== undefined) return { chunks: [], gap: gone };
      const slot = nextToTell();
      if (slot === undefined) break;
      const { reader, member } = slot;
      const { gap, chunk } = reader;
      if (gap !== undefined) {
        if (chunks.length > 0) break;
        reader.take();
        return { chunks: [], gap: { labels: member.labels, gap } };
      }
      if (chunk === undefined || (chunks.length > 0 && chunk.bytes.length > room)) break;
      reader.take();
      // What has ended is read on, so that it is closed before more is opened.
      const isLive = closeOf(member) === undefined;
      if (isLive && reader.state === "unread" && !reader.wasFull) exhausted.add(reader);
      chunks.push({ labels: member.labels, chunk });
      room -= chunk.bytes.length;
    }
    return chunks.length === 0 ? undefined : { chunks };
  }

  /** Reads what is unread, and opens those whose time has come. Answers the gap of a log that is gone. */
  async function readOn(exhausted: ReadonlySet<MemberReader>, mayTellGone: boolean) {
    for (;;) {
      const unread: Promise<void>[] = [];
      for (const { reader } of reading) {
        reader.settle();
        if (reader.state === "unread" && !exhausted.has(reader)) unread.push(reader.fill());
      }
      if (unread.length > 0) await Promise.all(unread);
      if (isReleased) return undefined;
      for (const slot of reading) if (slot.reader.state === "done") conclude(slot);
      const next = waiting[0];
      const first = nextInTime();
      if (next === undefined) return undefined;
      const entered = entryTime(next.member.entry);
      if (entered > timeOf(first) && entered < begun) return undefined;
      if (next.place !== undefined && !mayTellGone && next.member.state === "over")
        return undefined;
      waiting.shift();
      const gone = await open(next);
      if (gone !== undefined) return gone;
    }
  }

  async function open(slot: Slot): Promise<Told["gap"]> {
    const { member, place } = slot;
    const log = await sources.openLog(member.source, member.state === "over");
    if (log === undefined) {
      finish(slot);
      if (place === undefined || place.hasLeft) return undefined;
      // Some of it was told, so the rest was promised: how much it was nobody knows any more.
      const gap = { stream: streams[0] ?? LOG_STREAMS[0], bytes: 0, reason: "LOST" } as const;
      return { labels: member.labels, gap };
    }
    let position: MemberReader["position"];
    try {
      position = await startPosition(log, member, place, startOf(member), streams);
    } catch (error) {
      log.release();
      if (isReleased) return undefined;
      throw error;
    }
    if (isReleased) {
      log.release();
      return undefined;
    }
    const reader = createMemberReader({
      ...{ log, position, streams, clock, wake },
      isLive: !isClosing && member.state === "open",
      maxBytes: Math.min(PIECE_BYTES, maxBytes),
    });
    slot.place = undefined;
    slot.reader = reader;
    reading.add(slot as Slot & { reader: MemberReader });
    reader.close(closeOf(slot.member));
    return undefined;
  }

  /** All of it was taken that is to be told. */
  function conclude(slot: Slot & { reader: MemberReader }): void {
    const { position } = slot.reader;
    slot.reader.release();
    reading.delete(slot);
    const { state } = slot.member;
    Object.assign(slot, { reader: undefined, place: { position, hasLeft: state === "left" } });
    if (state === "over") finish(slot);
  }

  function finish({ member }: Slot): void {
    slots.delete(member.key);
    done.add(member.entry);
  }

  function nextToTell() {
    const first = nextInTime();
    if (first === undefined || timeOf(first) < begun) return first;
    const overdue = clock.monotonic() - LONGEST_TURN_MS;
    let longest: typeof first | undefined;
    for (const slot of reading) {
      const { state, readAt } = slot.reader;
      if (state !== "ready" || readAt > overdue) continue;
      if (longest === undefined || readAt < longest.reader.readAt) longest = slot;
    }
    return longest ?? first;
  }

  function nextInTime() {
    let first: (Slot & { reader: MemberReader }) | undefined;
    for (const slot of reading) {
      if (slot.reader.state !== "ready") continue;
      if (first === undefined || timeOf(slot) < timeOf(first)) first = slot;
    }
    return first;
  }

  function position(knownAt: number): GroupPosition {
    const lateAt = entryAt(knownAt - LATE_ROW_MS);
    const unopened = waiting.find(({ place }) => place === undefined)?.member.entry;
    const bound = unopened === undefined || lateAt < unopened ? lateAt : unopened;
    if (bound > settledBelow) settledBelow = bound;
    for (const entry of done) if (entry < settledBelow) done.delete(entry);
    const logs = new Map(places);
    for (const [key, { reader, place }] of slots) {
      if (reader !== undefined) logs.set(key, { position: reader.position, hasLeft: false });
      else if (place !== undefined) logs.set(key, place);
    }
    const { start, startTime } = from;
    return { settledBelow, done: [...done], logs, start, startTime };
  }
}

/** A gap has no time: it is told when it is met. */
function timeOf(slot: { readonly reader: MemberReader } | undefined): number {
  if (slot === undefined) return Number.POSITIVE_INFINITY;
  return slot.reader.chunk?.time ?? 0;
}
