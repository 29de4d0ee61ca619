import type { Clock } from "../clock.ts";
import type { Change, Resource } from "../model/change.ts";
import { createAlarm } from "./alarm.ts";
import { cursorExpired, decodeCursor, encodeCursor } from "./cursor.ts";
import type { WatchFilter } from "./filter.ts";
import { matches, project } from "./filter.ts";
import type { Folded } from "./fold.ts";
import { fold } from "./fold.ts";
import type { Hub } from "./hub.ts";

const HEARTBEAT_MS = 15_000;
/** Resources in one message: even with their excerpts they stay well below 4 MiB. */
const MESSAGE_SIZE = 100;
/** Changes read in one go: what may be folded together. */
const READ_SIZE = 1_000;

/** What a watch needs of the store. */
export interface WatchSource {
  readonly generation: string;
  liveResources(
    companyId: string,
  ): Promise<{ readonly revision: number; readonly resources: readonly Resource[] }>;
  readonly changes: {
    /** Undefined when they are no longer kept, or `revision` lies ahead. */
    since(revision: number, limit: number): Promise<readonly Change[] | undefined>;
  };
}

export interface WatchOptions {
  readonly source: WatchSource;
  readonly hub: Hub;
  readonly clock: Clock;
  readonly filter: WatchFilter;
  /** "" begins with a snapshot. */
  readonly cursor: string;
  /** Each change by itself, instead of the newest of those pending for a resource. */
  readonly noFold: boolean;
  /** Ends the watch and releases what it holds, wherever it stands. */
  readonly signal: AbortSignal;
}

export interface WatchMessage {
  readonly changes: readonly Change[];
  /** Where to watch on from, once this message is taken in. */
  readonly cursor: string;
  /** On the last message of the snapshot. */
  readonly snapshotComplete: boolean;
  /** Nothing happened for 15 s. */
  readonly heartbeat: boolean;
}

/**
 * The live resources, then every change in the order of revisions; returns when the signal aborts.
 * With a cursor: what changed since, or else a heartbeat, at once. Pulled: a slow reader holds
 * nothing but its revision. CURSOR_EXPIRED when that is no longer kept.
 */
export async function* watchChanges(options: WatchOptions): AsyncGenerator<WatchMessage, void> {
  const { source, hub, clock, filter, signal } = options;
  const limit = options.noFold ? MESSAGE_SIZE : READ_SIZE;
  const alarm = createAlarm(hub, clock, signal);
  const view = JSON.stringify([options.noFold, filter]);
  try {
    const from =
      options.cursor === "" ? undefined : decodeCursor(source.generation, options.cursor);
    let revision = from ?? (yield* snapshot(options));
    // Who resumes and has missed nothing hears so at once.
    let lastMessage = from === undefined ? clock.monotonic() : Number.NEGATIVE_INFINITY;
    // A cursor may be of a state of the store that a backup has undone: only the store knows.
    let isTailTrusted = from === undefined;
    while (!signal.aborted) {
      const tail = isTailTrusted ? hub.since(revision, limit) : undefined;
      const changes = tail ?? (await source.changes.since(revision, limit));
      if (changes === undefined) throw cursorExpired();
      isTailTrusted = true;

      if (changes.length > 0) {
        // The same message for all who see the same: it is encoded once.
        const told =
          tail === undefined
            ? tell(options, changes)
            : hub.shared(`${view} ${revision} ${changes.at(-1)?.revision}`, () =>
                tell(options, changes),
              );
        revision = told.revision;
        if (told.message === undefined) continue;
        lastMessage = clock.monotonic();
        yield told.message;
        continue;
      }

      const quiet = clock.monotonic() - lastMessage;
      if (quiet >= HEARTBEAT_MS) {
        lastMessage = clock.monotonic();
        yield message(source, revision, { heartbeat: true });
        continue;
      }
      await alarm.wait(HEARTBEAT_MS - quiet);
      // Nothing was published: another server may have committed what this one did not hear of.
      isTailTrusted = clock.monotonic() - lastMessage < HEARTBEAT_MS;
    }
  } finally {
    alarm.release();
  }
}

interface Told {
  /** Undefined when the watcher sees none of the changes. */
  readonly message: WatchMessage | undefined;
  /** Up to which revision it tells what happened. */
  readonly revision: number;
}

function tell({ source, filter, noFold }: WatchOptions, changes: readonly Change[]): Told {
  const { revision, changes: folded } = noFold ? unfolded(changes) : fold(changes, MESSAGE_SIZE);
  const visible = folded.flatMap((change) => project(filter, change) ?? []);
  if (visible.length === 0) return { message: undefined, revision };
  return { message: message(source, revision, { changes: visible }), revision };
}

/** Returns the revision that the snapshot is the state of. */
async function* snapshot(options: WatchOptions): AsyncGenerator<WatchMessage, number> {
  const { source, filter, signal } = options;
  const { revision, resources } = await source.liveResources(filter.companyId);
  const changes = resources
    .filter((resource) => matches(filter, resource))
    .map(
      (resource) => ({ type: "UPSERTED", revision: revisionOf(resource), ...resource }) as Change,
    );
  for (let start = 0; !signal.aborted; start += MESSAGE_SIZE) {
    const batch = changes.slice(start, start + MESSAGE_SIZE);
    const snapshotComplete = start + MESSAGE_SIZE >= changes.length;
    const cursor = snapshotComplete ? revision : undefined;
    yield message(source, cursor, { changes: batch, snapshotComplete });
    if (snapshotComplete) break;
  }
  return revision;
}

function message(
  { generation }: WatchSource,
  revision: number | undefined,
  content: Partial<WatchMessage>,
): WatchMessage {
  return {
    changes: [],
    cursor: encodeCursor(generation, revision),
    snapshotComplete: false,
    heartbeat: false,
    ...content,
  };
}

function unfolded(changes: readonly Change[]): Folded {
  return { changes, revision: changes.at(-1)?.revision ?? 0 };
}

function revisionOf({ resource }: Resource): number {
  return resource.revision;
}
