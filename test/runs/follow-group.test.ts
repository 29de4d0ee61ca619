import { rm } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { followGroup } from "../../src/runs/follow-group.ts";
import { createManualClock } from "../logs/support/manual-clock.ts";
import { newOperation } from "../store/new-records.ts";
import { eventually } from "../support/eventually.ts";
import { cursorOf, pull, run, startGroups, textOf, workspace } from "./fixture.ts";

const ofRun = { actor: { runId: "r1", userId: "" } };

describe("the logs of a run", () => {
  it("are its operations' and its services', history in the order of time, then live, then the end", async () => {
    const world = await startGroups();
    const first = await world.operation(ofRun, "first\n");
    await world.endOperation(first);
    const serviceId = await world.service({ startedByRunId: "r1", serviceName: "web" });
    const lease = await world.lease({ serviceId });
    await world.write(serviceId, "history\n");
    await world.operation({ actor: { runId: "other", userId: "" } }, "of another run\n");

    const { batches } = world.follow(run);
    const told = pull(batches, (text) => text.includes("history"));
    expect(textOf(await told)).toBe("first\nhistory\n");
    const second = await world.operation(ofRun);
    await world.write(second, "second\n");
    await world.write(serviceId, "live\n");
    const live = await pull(batches, (text) => text.includes("second") && text.includes("live"));
    expect(live.flatMap(({ chunks }) => chunks).map(({ labels }) => labels)).toEqual(
      expect.arrayContaining([
        { serviceId: "", serviceName: "", operationId: second },
        { serviceId, serviceName: "web", operationId: "" },
      ]),
    );
    await world.endOperation(second);
    await world.store.leases.delete(lease.leaseId);
    const rest = await pull(batches);
    expect(rest.at(-1)).toMatchObject({ end: true, chunks: [] });
  });

  it("have a joined service's lines from the lease to its end, and an own one's from its beginning", async () => {
    const world = await startGroups();
    const joined = await world.service({ serviceName: "joined" });
    await world.record(joined);
    await world.write(joined, "before the lease\n");
    // The index knows times to 100 ms.
    await new Promise((resolve) => setTimeout(resolve, 300));
    await world.lease({});
    const lease = await world.lease({ serviceId: joined });
    const { batches } = world.follow(run);
    await world.write(joined, "while leased\n");
    const told = await pull(batches, (text) => text.includes("while"));
    expect(textOf(told)).toBe("while leased\n");
    await world.store.leases.delete(lease.leaseId);
    const marker = await world.operation(ofRun);
    const rest = pull(batches, (text) => text.includes("marker"));
    // The operation's log alone is followed.
    await eventually(() => world.opened.length === 2 && world.logs.counts().readers === 1);
    await world.write(joined, "after the lease\n");
    await world.write(marker, "marker\n");
    expect(textOf(await rest)).toBe("marker\n");
  });

  it("go on with a service that the run leases again: without what was between, unless it is its own", async () => {
    const world = await startGroups();
    await world.lease({});
    const own = await world.service({ startedByRunId: "r1" });
    const joined = await world.service({});
    await world.record(joined);
    const first = [await world.lease({ serviceId: own }), await world.lease({ serviceId: joined })];
    const { batches } = world.follow(run);
    for (const id of [own, joined]) await world.write(id, "first\n");
    await pull(batches, (text) => text.length === 12);
    for (const { leaseId } of first) await world.store.leases.delete(leaseId);
    const rest = pull(batches, (text) => text.split("again").length === 3);
    await eventually(() => world.logs.counts().readers === 0);
    for (const id of [own, joined]) await world.write(id, "between\n");
    // The index knows times to 100 ms.
    await new Promise((resolve) => setTimeout(resolve, 300));
    for (const serviceId of [own, joined]) await world.lease({ serviceId });
    for (const id of [own, joined]) await world.write(id, "again\n");
    const told = await rest;
    expect(textOf(told, own)).toBe("between\nagain\n");
    expect(textOf(told, joined)).toBe("again\n");
  });

  it("wait for the last words of a service that ends with its last lease", async () => {
    const world = await startGroups();
    const serviceId = await world.service({
      startedByRunId: "r1",
      stopPolicy: { kind: "on_run_finish" },
    });
    const lease = await world.lease({ serviceId });
    const { batches } = world.follow(run);
    await world.write(serviceId, "up\n");
    await pull(batches, (text) => text.includes("up"));
    await world.store.leases.delete(lease.leaseId);
    await world.store.services.update(serviceId, { state: "STOPPING" });
    await world.write(serviceId, "last words\n");
    await world.store.services.update(serviceId, { state: "STOPPED", stopTime: Date.now() });
    const rest = await pull(batches);
    expect(textOf(rest)).toBe("last words\n");
    expect(rest.at(-1)?.end).toBe(true);
  });

  it("are not those of a run that nobody knows", async () => {
    const world = await startGroups();
    await expect(pull(world.follow(run).batches)).rejects.toMatchObject({
      reason: "RUN_NOT_FOUND",
      metadata: { run_id: "r1" },
    });
    await expect(pull(world.follow(workspace).batches)).rejects.toMatchObject({
      reason: "WORKSPACE_NOT_FOUND",
    });
    expect(world.logs.counts()).toMatchObject({ open: 0, readers: 0 });
    expect(world.hub.watchers).toBe(0);
  });
});

describe("the logs of a workspace", () => {
  it("are its operations' and services' of all runs, and of services that were leased through it", async () => {
    const world = await startGroups();
    await world.workspace();
    const operationId = await world.operation({}, "operation\n");
    await world.endOperation(operationId);
    const own = await world.service();
    await world.write(own, "own\n");
    const foreign = await world.service({ workspaceId: "w2" });
    const { batches } = world.follow(workspace);
    await pull(batches, (text) => text.includes("operation") && text.includes("own"));
    await world.lease({ serviceId: foreign, workspaceId: "w1", runId: "r7" });
    await world.write(foreign, "leased through it\n");
    const told = await pull(batches, (text) => text.includes("leased"));
    expect(textOf(told)).toBe("leased through it\n");
  });

  it("end when it is archived and all is told", async () => {
    const world = await startGroups();
    await world.workspace();
    const own = await world.service();
    await world.write(own, "up\n");
    const { batches } = world.follow(workspace);
    await pull(batches, (text) => text.includes("up"));
    await world.store.services.update(own, { state: "STOPPING" });
    await world.write(own, "down\n");
    await world.store.services.update(own, { state: "STOPPED", stopTime: Date.now() });
    await world.store.workspaces.update("w1", { state: "ARCHIVED" });
    const rest = await pull(batches);
    expect(textOf(rest)).toBe("down\n");
    expect(rest.at(-1)?.end).toBe(true);
  });
});

describe("a cursor of several logs", () => {
  it("goes on exactly where each of them was, whatever came in between", async () => {
    const world = await startGroups();
    await world.workspace();
    const operations = [];
    for (let i = 0; i < 12; i++) {
      const id = await world.operation({}, `${i}a\n${i}b\n`);
      operations.push(id);
      if (i < 8) await world.endOperation(id);
    }
    let text = "";
    let start: Parameters<typeof world.follow>[1] = {};
    for (let turn = 0; turn < 30; turn++) {
      const { batches, abort } = world.follow(workspace, { ...start, maxBytes: 7 });
      const all = await pull(batches, (_, some) => some.length === 2);
      abort();
      text += textOf(all);
      start = { start: cursorOf(all) };
      if (turn === 5) await world.write(operations[10] ?? "", "late\n");
      if (turn === 10) {
        for (const id of operations.slice(8)) await world.endOperation(id);
        await world.store.workspaces.update("w1", { state: "ARCHIVED" });
      }
      if (all.at(-1)?.end) break;
    }
    const lines = text.split("\n").filter(Boolean).sort();
    const expected = operations.flatMap((_, i) => [`${i}a`, `${i}b`]);
    expect(lines).toEqual([...expected, "late"].sort());
  });

  it("stays small over thousands of ended operations, none of which is opened again", async () => {
    const world = await startGroups();
    await world.workspace();
    const hourAgo = Date.now() - 3_600_000;
    for (let i = 0; i < 3_000; i++) {
      const time = (hourAgo + i).toString(16).padStart(12, "0");
      const serial = i.toString(16).padStart(12, "0");
      const operationId = `${time.slice(0, 8)}-${time.slice(8)}-7000-8000-${serial}`;
      // Most have left no log; all have a row.
      if (i % 30 === 0) await world.write(operationId, `${i}\n`);
      await world.store.operations.insert({
        ...newOperation({ operationId }),
        status: "SUCCEEDED",
        endTime: hourAgo + i,
      });
    }
    const all = await pull(world.follow(workspace, { follow: false }).batches);
    expect(textOf(all).split("\n").filter(Boolean)).toEqual(
      Array.from({ length: 100 }, (_, i) => `${i * 30}`),
    );
    expect(cursorOf(all).cursor.length).toBeLessThan(200);
    world.opened.length = 0;
    const again = await pull(
      world.follow(workspace, { follow: false, start: cursorOf(all) }).batches,
    );
    expect(textOf(again)).toBe("");
    expect(world.opened).toEqual([]);
  }, 120_000);

  it("tells that a log is gone of which it had promised the rest, and passes over one it had not begun", async () => {
    const world = await startGroups();
    await world.workspace();
    const begun = await world.operation({}, "one\ntwo\n");
    const { batches, abort } = world.follow(workspace, { maxBytes: 4 });
    const all = await pull(batches, (text) => text.includes("one"));
    abort();
    const other = await world.operation({}, "never told\n");
    for (const id of [begun, other]) {
      await world.endOperation(id);
      await world.store.operations.delete(id);
      await rm(join(world.directory, id), { recursive: true });
    }
    const rest = await pull(
      world.follow(workspace, { start: cursorOf(all), follow: false }).batches,
    );
    expect(rest.flatMap(({ gap }) => gap ?? [])).toEqual([
      {
        labels: { serviceId: "", serviceName: "", operationId: begun },
        gap: { stream: "STDOUT", bytes: 0, reason: "LOST" },
      },
    ]);
    expect(textOf(rest)).toBe("");
  });

  it("of another run, of a workspace, of one log, or of nobody, is refused", async () => {
    const world = await startGroups();
    await world.workspace();
    await world.operation(ofRun, "x\n");
    const all = await pull(world.follow(run, { follow: false }).batches);
    const other = { kind: "run", runId: "r2" } as const;
    for (const [group, cursor, says] of [
      [other, cursorOf(all).cursor, "another run"],
      [workspace, cursorOf(all).cursor, "of the logs of a workspace"],
      [run, Buffer.from("1 abc 0 0 0 0").toString("base64url"), "of the logs of a run"],
      [run, `${cursorOf(all).cursor}.x`, "gave out"],
    ] as const) {
      const start = { kind: "cursor", cursor } as const;
      expect(() => world.follow(group, { start })).toThrow(
        expect.objectContaining({
          reason: "INVALID_FIELD",
          message: expect.stringContaining(says),
        }),
      );
    }
  });
});

describe("a start within the logs", () => {
  it("is the last lines of each, and all of what comes later", async () => {
    const world = await startGroups();
    await world.workspace();
    const ended = await world.operation({}, "1\n2\n3\n");
    await world.endOperation(ended);
    const running = await world.operation({}, "4\n5\n6\n");
    const { batches } = world.follow(workspace, { start: { kind: "tail", lines: 1 } });
    const told = await pull(batches, (text) => text.length === 4);
    expect(textOf(told)).toBe("3\n6\n");
    const later = await world.operation({}, "7\n8\n");
    await world.write(running, "9\n");
    const rest = await pull(batches, (text) => text.length === 6);
    expect(textOf(rest, later)).toBe("7\n8\n");
    expect(textOf(rest, running)).toBe("9\n");
  });

  it("of no lines is only what comes", async () => {
    const world = await startGroups();
    await world.workspace();
    await world.endOperation(await world.operation({}, "old\n"));
    const running = await world.operation({}, "old\n");
    const { batches } = world.follow(workspace, { start: { kind: "tail", lines: 0 } });
    await batches.next();
    const waiting = pull(batches, (text) => text !== "");
    await eventually(() => world.logs.counts().readers > 0);
    await world.write(running, "new\n");
    expect(textOf(await waiting)).toBe("new\n");
  });

  it("at a time leaves out what ended before, unopened", async () => {
    const world = await startGroups();
    await world.workspace();
    const old = await world.operation({}, "old\n");
    await world.store.operations.update(old, { status: "SUCCEEDED", endTime: Date.now() - 60_000 });
    await world.operation({}, "new\n");
    const start = { kind: "since", time: Date.now() - 30_000 } as const;
    const all = await pull(world.follow(workspace, { start, follow: false }).batches);
    expect(textOf(all)).toBe("new\n");
    expect(world.opened.filter((path) => path.includes(old))).toEqual([]);
  });
});

describe("following several logs", () => {
  it("begins with something at once and beats while nothing happens", async () => {
    const world = await startGroups();
    await world.lease({});
    const { batches } = world.follow(run, { heartbeatMs: 20 });
    const beats = await pull(batches, (_, all) => all.length === 4);
    expect(beats.every(({ heartbeat, cursor }) => heartbeat && cursor !== "")).toBe(true);
  });

  it("gives everything back however it ends", async () => {
    const world = await startGroups();
    await world.workspace();
    for (let i = 0; i < 5; i++) await world.operation({}, "x\n");
    const nothing = { open: 0, watchers: 0, readers: 0 };
    for (const end of ["abort", "return", "never asked"]) {
      const { batches, abort } = world.follow(workspace);
      if (end !== "never asked") {
        await pull(batches, (text) => text.length === 10);
        expect(world.logs.counts()).toMatchObject({ open: 5, readers: 5 });
        expect(world.hub.watchers).toBe(1);
      }
      if (end === "abort") abort();
      else await batches.return();
      expect(world.logs.counts()).toEqual(nothing);
      expect(world.hub.watchers).toBe(0);
    }
  });

  it("keeps no other log waiting behind one that is written faster than it is read", async () => {
    const world = await startGroups();
    await world.workspace();
    const fast = await world.operation({});
    const slow = await world.operation({});
    const { batches } = world.follow(workspace, { maxBytes: 32 * 1024 });
    await batches.next();
    let isTold = false;
    let read = 0;
    const block = `${"x".repeat(99)}\n`.repeat(2_000);
    await world.write(fast, block);
    await world.write(slow, "a word\n");
    while (!isTold) {
      // Six times what is read of it each turn.
      await world.write(fast, block);
      const { value } = await batches.next();
      read += 1;
      isTold = value !== undefined && textOf([value], slow) !== "";
      if (read > 2_000) break;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect(isTold).toBe(true);
  });

  it("uses a clock that tests can move", async () => {
    const world = await startGroups();
    await world.lease({});
    const clock = createManualClock(Date.now());
    const abort = new AbortController();
    const batches = followGroup(
      { ...world.deps, clock },
      {
        ...{ group: run, streams: [], follow: true, start: { kind: "beginning" } as const },
        signal: abort.signal,
      },
    );
    await batches.next();
    const beat = batches.next();
    await new Promise((resolve) => setTimeout(resolve, 50));
    clock.advance(15_000);
    expect((await beat).value).toMatchObject({ heartbeat: true });
    abort.abort();
  });
});
