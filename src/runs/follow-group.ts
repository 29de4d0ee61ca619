import type { Clock } from "../clock.ts";
import { RuntimeError } from "../errors.ts";
import { type Alarm, createAlarm } from "../events/alarm.ts";
import type { Hub } from "../events/hub.ts";
import type { LogStreamName } from "../logs/stream.ts";
import type { Store } from "../store/store.ts";
import { type ChangeFeed, createChangeFeed } from "./change-feed.ts";
import {
  beforeAll,
  decodeGroupCursor,
  encodeGroupCursor,
  type GroupPosition,
  type GroupStart,
} from "./group-cursor.ts";
import { createLogMerge, type LogMerge, type Told } from "./log-merge.ts";
import type { LogSources } from "./log-source.ts";
import { type LogGroup, operationMember, serviceMember, serviceOfKey } from "./members.ts";
import { createRoster, type Roster, type RosterStore } from "./roster.ts";

export interface GroupDependencies {
  readonly store: RosterStore & Pick<Store, "changes" | "logMembers">;
  readonly hub: Hub;
  readonly sources: Pick<LogSources, "openLog">;
  readonly clock: Clock;
}

export interface FollowGroupOptions {
  readonly group: LogGroup;
  readonly start: GroupStart | { readonly kind: "cursor"; readonly cursor: string };
  /** None: both. */
  readonly streams: readonly LogStreamName[];
  /** False: ends where the logs ended when it was called. */
  readonly follow: boolean;
  /** Of one batch. Default 256 KiB. */
  readonly maxBytes?: number;
  /** Ends the following, and gives everything back even if nobody ever asks for a batch again. */
  readonly signal: AbortSignal;
  /** A heartbeat after so much quiet, in milliseconds. Default 15,000. */
  readonly heartbeatMs?: number;
}

export type GroupBatch = Told & {
  /** Where to go on behind this batch. */
  readonly cursor: string;
  /** Nothing happened for a while; also on the first, which comes at once. */
  readonly heartbeat?: true;
  /** The group is over and all of it was told. */
  readonly end?: true;
};

const HEARTBEAT_MS = 15_000;
const BATCH_BYTES = 256 * 1024;

/**
 * The logs of a run or of a workspace as one, resumable: those that are there, those that come while it
 * follows, and the end once nothing more can come. Pull-based, like `followLog`.
 * @throws RuntimeError RUN_NOT_FOUND, WORKSPACE_NOT_FOUND, INVALID_FIELD for what is no cursor of it
 */
export function followGroup(
  deps: GroupDependencies,
  options: FollowGroupOptions,
): AsyncGenerator<GroupBatch, void, undefined> {
  const { hub, sources, clock } = deps;
  const { group, start, streams, signal } = options;
  const from =
    start.kind === "cursor"
      ? decodeGroupCursor(group, start.cursor)
      : beforeAll(start, clock.now());
  // Subscribed before anything is listed: what comes in between is heard of.
  const alarm = createAlarm(hub, clock, signal);
  const merge = createLogMerge({
    ...{ sources, clock, from, streams },
    maxBytes: options.maxBytes ?? BATCH_BYTES,
    wake: () => alarm.ring(),
  });
  const release = () => {
    signal.removeEventListener("abort", release);
    merge.release();
    alarm.release();
  };
  signal.addEventListener("abort", release, { once: true });
  if (signal.aborted) release();
  const batches = follow({ ...deps, ...options, from, alarm, merge, release });
  // A generator that was never started does not run its `finally`.
  const giveUp = batches.return.bind(batches);
  batches.return = (value) => {
    release();
    return giveUp(value);
  };
  return batches;
}

interface Following extends GroupDependencies, FollowGroupOptions {
  readonly from: GroupPosition;
  readonly alarm: Alarm;
  readonly merge: LogMerge;
  readonly release: () => void;
}

async function* follow(following: Following): AsyncGenerator<GroupBatch, void, undefined> {
  const { clock, group, signal, alarm, merge } = following;
  const heartbeatMs = following.heartbeatMs ?? HEARTBEAT_MS;
  let knownAt = clock.now();
  const batch = (content: Partial<GroupBatch>): GroupBatch => ({
    chunks: [],
    cursor: encodeGroupCursor(group, merge.position(knownAt)),
    ...content,
  });
  try {
    if (signal.aborted) return;
    let { roster, feed } = await enlist(following);
    if (signal.aborted) return;
    if (!following.follow) merge.closeAll();
    yield batch({ heartbeat: true });
    let told = clock.monotonic();
    while (!signal.aborted) {
      if (following.follow) {
        const now = clock.now();
        if (!(await hear(feed, roster, merge))) ({ roster, feed } = await enlist(following));
        knownAt = now;
      }
      const taken = await merge.take();
      if (signal.aborted) return;
      if (taken !== undefined) {
        yield batch(taken);
        told = clock.monotonic();
        continue;
      }
      if (roster.isOver()) {
        yield batch({ end: true });
        return;
      }
      if (!following.follow) return;
      const quietMs = clock.monotonic() - told;
      if (quietMs >= heartbeatMs) {
        yield batch({ heartbeat: true });
        told = clock.monotonic();
        feed.distrust();
        continue;
      }
      const dueMs = Math.max(0, merge.dueAt() - clock.monotonic());
      await alarm.wait(Math.min(heartbeatMs - quietMs, dueMs));
    }
  } catch (error) {
    // Given up in the middle of a read.
    if (!signal.aborted) throw error;
  } finally {
    following.release();
  }
}

/** Puts all members that there are by now. */
async function enlist({ store, hub, group, from, merge }: Following): Promise<{
  readonly roster: Roster;
  readonly feed: ChangeFeed;
}> {
  const begun = [...from.logs.keys()];
  const serviceIds = begun.flatMap((key) => serviceOfKey(key) ?? []);
  const found = await store.logMembers({
    owner: group,
    after: from.settledBelow,
    operationIds: begun.flatMap((key) => (serviceOfKey(key) === undefined ? key.slice(1) : [])),
    serviceIds,
  });
  if (!found.isKnown && begun.length === 0) throw notFound(group);
  const roster = await createRoster(store, group, found, serviceIds);
  const members = roster.members();
  for (const member of members) merge.put(member);
  const keys = new Set(members.map(({ key }) => key));
  for (const key of begun) {
    // Its row is gone: the rest of its log is told if that is still there, or else that it is missing.
    if (!keys.has(key)) merge.put(withoutRow(key));
  }
  return { roster, feed: createChangeFeed(store, hub, found.revision) };
}

/** False when there were changes that are no longer kept. */
async function hear(feed: ChangeFeed, roster: Roster, merge: LogMerge): Promise<boolean> {
  for (;;) {
    const changes = await feed.next();
    if (changes === undefined) return false;
    if (changes.length === 0) return true;
    for (const change of changes) {
      for (const member of await roster.apply(change)) merge.put(member);
    }
  }
}

function withoutRow(key: string) {
  const serviceId = serviceOfKey(key);
  return serviceId === undefined
    ? operationMember(key.slice(1), false, undefined)
    : serviceMember({ serviceId, serviceName: "" }, { entry: serviceId, state: "over" });
}

function notFound(group: LogGroup): RuntimeError {
  return group.kind === "run"
    ? new RuntimeError(
        "RUN_NOT_FOUND",
        `nothing is known of run ${group.runId}: it has no lease, no operation and no service that it started`,
        { metadata: { run_id: group.runId } },
      )
    : new RuntimeError("WORKSPACE_NOT_FOUND", `there is no workspace ${group.workspaceId}`, {
        metadata: { workspace_id: group.workspaceId },
      });
}
