import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createHub, type Hub } from "../../src/events/hub.ts";
import { type WatchMessage, type WatchOptions, watchChanges } from "../../src/events/watch.ts";
import type { Store } from "../../src/store/store.ts";
import { openStore } from "../../src/store/store.ts";
import { createManualClock, type ManualClock } from "../logs/support/manual-clock.ts";
import { newClaim, newOperation, newService, newWorkspace } from "../store/new-records.ts";
import { createSqliteDatabase, type TestDatabase } from "../support/databases.ts";
import { eventually } from "../support/eventually.ts";

describe("a watch", () => {
  let database: TestDatabase;
  let store: Store;
  let hub: Hub;
  let clock: ManualClock;
  let abort: AbortController;
  /** How often a watch has begun to wait. */
  let timers: number;

  beforeEach(async () => {
    database = await createSqliteDatabase();
    hub = createHub();
    const manual = createManualClock();
    timers = 0;
    clock = {
      ...manual,
      schedule(delayMs, fire) {
        timers += 1;
        return manual.schedule(delayMs, fire);
      },
    };
    abort = new AbortController();
    store = await openStore({
      database: database.location,
      nodeId: "n1",
      clock,
      onCommit: hub.publish,
      retainedChanges: 250,
    });
  });
  afterEach(async () => {
    abort.abort();
    expect(hub.watchers).toBe(0);
    await store.close();
    await database.remove();
  });

  function watch(
    filter: Partial<WatchOptions["filter"]> = {},
    over: Partial<WatchOptions> = {},
  ): AsyncGenerator<WatchMessage, void> {
    const none = { projectWorkspaceIds: [], workspaceIds: [], serviceIds: [], runIds: [] };
    return watchChanges({
      source: store,
      hub,
      clock,
      filter: { companyId: "", kinds: [], ...none, ...filter },
      cursor: "",
      noFold: false,
      signal: abort.signal,
      ...over,
    });
  }

  async function next(messages: AsyncGenerator<WatchMessage, void>): Promise<WatchMessage> {
    const { value } = await messages.next();
    if (value === undefined) throw new Error("the watch ended");
    return value;
  }

  it("completes the snapshot of an empty store at once", async () => {
    expect(await next(watch())).toMatchObject({ changes: [], snapshotComplete: true });
  });

  it("gives a large snapshot in batches, and only the last is a place to go on from", async () => {
    await store.transaction(async (tx) => {
      for (let index = 0; index < 250; index++) {
        await tx.operations.insert(newOperation({ operationId: `o${index}` }));
      }
    });
    const messages = watch();
    const batches = [await next(messages), await next(messages), await next(messages)];
    expect(batches.map(({ changes }) => changes.length)).toEqual([100, 100, 50]);
    expect(batches.map(({ snapshotComplete }) => snapshotComplete)).toEqual([false, false, true]);
    const again = watch({}, { cursor: batches[0]?.cursor ?? "" });
    expect((await next(again)).changes).toHaveLength(100);
  });

  it("tells what is pending of one resource once, unless asked for every change", async () => {
    const folded = watch();
    const every = watch({}, { noFold: true });
    await next(folded);
    await next(every);
    await store.operations.insert(newOperation());
    await store.operations.update("o1", { message: "a" });
    await store.operations.update("o1", { message: "b" });
    const message = await next(folded);
    expect(message.changes).toMatchObject([{ revision: 3, resource: { message: "b" } }]);
    const { changes } = await next(every);
    expect(changes.map(({ revision }) => revision)).toEqual([1, 2, 3]);
  });

  it("wakes for a change that comes while it waits", async () => {
    const messages = watch();
    await next(messages);
    const waiting = next(messages);
    await store.workspaces.insert(newWorkspace());
    expect((await waiting).changes).toMatchObject([{ kind: "WORKSPACE", type: "UPSERTED" }]);
  });

  it("sends a heartbeat after 15 s of quiet, counted from its last message", async () => {
    const messages = watch({ kinds: ["WORKSPACE"] });
    const { cursor } = await next(messages);
    let answered = false;
    const waiting = next(messages).finally(() => {
      answered = true;
    });
    await eventually(() => timers === 1);
    clock.advance(10_000);
    // Not for this watcher: it stays quiet, but moves on.
    await store.operations.insert(newOperation());
    await eventually(() => timers === 2);
    clock.advance(4_999);
    await store.changes.revision();
    expect(answered).toBe(false);
    clock.advance(1);
    const message = await waiting;
    expect(message).toMatchObject({ heartbeat: true, changes: [], snapshotComplete: false });
    expect(message.cursor).not.toBe(cursor);
  });

  it("resumes from any message's cursor, in another server as well", async () => {
    const messages = watch({}, { noFold: true });
    const { cursor } = await next(messages);
    await store.workspaces.insert(newWorkspace());
    await store.workspaces.update("w1", { state: "ARCHIVED" });
    const later = watch({}, { cursor, hub: createHub(), noFold: true });
    const { changes } = await next(later);
    expect(changes.map(({ revision }) => revision)).toEqual([1, 2]);
  });

  it("tells at once that nothing was missed", async () => {
    await store.workspaces.insert(newWorkspace());
    const { cursor } = await next(watch());
    expect(await next(watch({}, { cursor }))).toMatchObject({ heartbeat: true, cursor });
  });

  it("follows a run: its leases and operations, and the services while it holds them", async () => {
    const messages = watch({ runIds: ["r1"] }, { noFold: true });
    await next(messages);
    await store.services.insert(newService());
    await store.leases.acquire(newClaim({ serviceId: "s1" }));
    await store.leases.acquire(newClaim({ serviceId: "s1", runId: "r2" }));
    await store.operations.insert(newOperation({ actor: { runId: "r1", userId: "" } }));
    await store.leases.deleteByRun("r1");
    await store.services.update("s1", { state: "STOPPED" });
    const { changes } = await next(messages);
    expect(changes.map(({ type, kind }) => `${type} ${kind}`)).toEqual([
      "UPSERTED LEASE",
      "UPSERTED SERVICE",
      "UPSERTED SERVICE",
      "UPSERTED OPERATION",
      "DELETED LEASE",
      "DELETED SERVICE",
    ]);
    expect(changes.at(-1)?.resource).toMatchObject({ leaseRunIds: ["r2"] });
  });

  it("tells that a service left although its changes were folded", async () => {
    await store.services.insert(newService());
    await store.leases.acquire(newClaim({ serviceId: "s1" }));
    const messages = watch({ runIds: ["r1"], kinds: ["SERVICE"] });
    expect((await next(messages)).changes).toHaveLength(1);
    await store.leases.deleteByRun("r1");
    await store.services.update("s1", { state: "STOPPED" });
    expect((await next(messages)).changes).toMatchObject([{ type: "DELETED", revision: 6 }]);
  });

  it("hears of what another server committed at the next heartbeat, at the latest", async () => {
    const messages = watch({}, { hub: createHub() });
    await next(messages);
    const waiting = next(messages);
    await store.workspaces.insert(newWorkspace());
    await eventually(() => timers === 1);
    clock.advance(15_000);
    expect((await waiting).changes).toMatchObject([{ kind: "WORKSPACE" }]);
  });

  it("says that a cursor is too old, of another store, or ahead of a restored one", async () => {
    const { cursor } = await next(watch());
    for (let index = 0; index < 10; index++) {
      await store.transaction(async (tx) => {
        for (let step = 0; step < 50; step++) {
          await tx.operations.insert(newOperation({ operationId: `o${index}-${step}` }));
        }
      });
    }
    const expired = { reason: "CURSOR_EXPIRED" };
    await expect(next(watch({}, { cursor }))).rejects.toMatchObject(expired);
    await expect(next(watch({}, { cursor: "x" }))).rejects.toMatchObject(expired);
    const ahead = Buffer.from(`501.${store.generation}`).toString("base64url");
    await expect(next(watch({}, { cursor: ahead }))).rejects.toMatchObject(expired);
  });

  it("holds nothing for a reader that pauses, who catches up from the store", async () => {
    const small = createHub({ tail: 4 });
    const messages = watch({}, { hub: small, noFold: true });
    await next(messages);
    for (let index = 0; index < 40; index++) {
      await store.operations.insert(newOperation({ operationId: `o${index}` }));
      small.publish((await store.changes.since(index, 1)) ?? []);
    }
    const { changes } = await next(messages);
    expect(changes.map(({ revision }) => revision)).toEqual(
      Array.from({ length: 40 }, (_, index) => index + 1),
    );
  });

  it("ends and releases when its signal aborts, waiting or not", async () => {
    const waits = watch();
    await next(waits);
    const waiting = waits.next();
    const paused = watch();
    await next(paused);
    expect(hub.watchers).toBe(2);
    abort.abort();
    expect(hub.watchers).toBe(0);
    expect(await waiting).toEqual({ done: true, value: undefined });
    expect(await paused.next()).toEqual({ done: true, value: undefined });
    expect(await watch().next()).toEqual({ done: true, value: undefined });
  });

  it("releases when its reader returns, or it fails", async () => {
    const messages = watch();
    await next(messages);
    await messages.return();
    expect(hub.watchers).toBe(0);
    await expect(next(watch({}, { cursor: "x" }))).rejects.toThrow("cursor");
    expect(hub.watchers).toBe(0);
  });
});
