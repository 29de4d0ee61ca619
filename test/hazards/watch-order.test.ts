import { describe, expect, it } from "vitest";
import { createSystemClock } from "../../src/clock.ts";
import { createHub } from "../../src/events/hub.ts";
import { type WatchMessage, watchChanges } from "../../src/events/watch.ts";
import type { Change } from "../../src/model/change.ts";
import { idOf } from "../../src/model/change.ts";
import type { Store } from "../../src/store/store.ts";
import { newClaim, newOperation, newService, newWorkspace } from "../store/new-records.ts";
import { useStore } from "../store/use-store.ts";
import { databases } from "../support/databases.ts";

const everything = {
  companyId: "",
  projectWorkspaceIds: [],
  workspaceIds: [],
  serviceIds: [],
  runIds: [],
  kinds: [],
};
const LAST = "the-last";

describe.each(databases)("the order of a watch on $name", { timeout: 120_000 }, (database) => {
  const fixture = useStore(database);

  /** Watches until the last change, reconnecting by cursor after each `messagesPerConnection`. */
  async function follow(
    store: Store,
    hub: ReturnType<typeof createHub>,
    options: { noFold: boolean; messagesPerConnection: number },
  ): Promise<WatchMessage[]> {
    const { noFold, messagesPerConnection } = options;
    const seen: WatchMessage[] = [];
    let cursor = "";
    for (;;) {
      const abort = new AbortController();
      const messages = watchChanges({
        source: store,
        hub,
        clock: createSystemClock(),
        filter: everything,
        cursor,
        noFold,
        signal: abort.signal,
      });
      let left = messagesPerConnection;
      for await (const message of messages) {
        seen.push(message);
        if (message.changes.some((change) => idOf(change) === LAST)) {
          abort.abort();
          return seen;
        }
        left -= 1;
        if (left <= 0 && seen.some((each) => each.snapshotComplete)) break;
      }
      cursor = seen.at(-1)?.cursor ?? "";
      abort.abort();
    }
  }

  it("is a snapshot and then every change once, in order, for watchers that come and go", async () => {
    const { open } = fixture();
    const hub = createHub({ tail: 50 });
    const store = await open({ onCommit: hub.publish });
    const writing = write(store, 8);
    const watching = [];
    for (let index = 0; index < 6; index++) {
      watching.push(
        follow(store, hub, { noFold: index % 2 === 0, messagesPerConnection: 1 + index * 3 }),
      );
      // The next one begins at a later place.
      await store.changes.revision();
    }
    await writing;
    await store.operations.insert(newOperation({ operationId: LAST }));

    const newest = await store.changes.revision();
    const truth = (await store.changes.since(0, newest)) ?? [];
    for (const [index, seen] of (await Promise.all(watching)).entries()) {
      const boundary = seen.findIndex(({ snapshotComplete }) => snapshotComplete);
      const snapshot = seen.slice(0, boundary + 1).flatMap(({ changes }) => changes);
      const live = seen.slice(boundary + 1).flatMap(({ changes }) => changes);
      const from = revisionOf(seen[boundary]?.cursor ?? "");

      expect(newestOf(snapshot)).toBeLessThanOrEqual(from);
      if (index % 2 === 0) {
        expect(live).toStrictEqual(truth.filter(({ revision }) => revision > from));
      } else {
        expectOrdered(live);
        expect(stateAfter([...snapshot, ...live])).toEqual(
          stateAfter([...snapshot, ...truth.filter(({ revision }) => revision > from)]),
        );
      }
    }
    expect(hub.watchers).toBe(0);
  });

  it("begins with a snapshot that is the state at its own revision", async () => {
    const { open } = fixture();
    const store = await open();
    const writing = write(store, 5);
    const snapshots = [];
    for (let index = 0; index < 10; index++) snapshots.push(await store.liveResources(""));
    await writing;
    const truth = (await store.changes.since(0, 100_000)) ?? [];
    for (const { revision, resources } of snapshots) {
      const state = stateAfter(truth.filter((change) => change.revision <= revision));
      const isLive = resources.map((resource) => [
        `${resource.kind} ${idOf(resource)}`,
        resource.resource.revision,
      ]);
      expect(new Map(isLive as [string, number][])).toEqual(state);
    }
  });
});

/** Several writers at once, whose every resource stays live until it is deleted. */
async function write(store: Store, rounds: number): Promise<void> {
  const writers = Array.from({ length: 4 }, async (_, writer) => {
    for (let round = 0; round < rounds; round++) {
      const id = `${writer}-${round}`;
      await store.transaction(async (tx) => {
        await tx.workspaces.insert(newWorkspace({ workspaceId: id }));
        await tx.services.insert(newService({ serviceId: id }));
      });
      await store.leases.acquire(newClaim({ runId: `r${writer}`, serviceId: id, ttlMs: 0 }));
      await store.services.update(id, { state: "STOPPING" });
      await store.services.update(id, { state: "STOPPED" });
      if (round % 3 === 0) await store.leases.deleteByRun(`r${writer}`);
      if (round % 4 === 0) await store.workspaces.delete(id);
    }
  });
  await Promise.all(writers);
}

function expectOrdered(changes: readonly Change[]): void {
  const revisions = changes.map(({ revision }) => revision);
  expect(revisions).toEqual([...new Set(revisions)].sort((a, b) => a - b));
}

function stateAfter(changes: readonly Change[]): Map<string, number> {
  const state = new Map<string, number>();
  for (const change of changes) {
    const key = `${change.kind} ${idOf(change)}`;
    if (change.type === "DELETED") state.delete(key);
    else state.set(key, change.resource.revision);
  }
  return state;
}

function newestOf(changes: readonly Change[]): number {
  return Math.max(0, ...changes.map(({ revision }) => revision));
}

function revisionOf(cursor: string): number {
  return Number.parseInt(Buffer.from(cursor, "base64url").toString(), 10);
}
