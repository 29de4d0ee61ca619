import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { describe, expect, it, onTestFinished } from "vitest";
import type { Clock } from "../../src/clock.ts";
import { createFailpoints } from "../../src/failpoints.ts";
import { startLeaseExpiry } from "../../src/leases/expiry.ts";
import { openStore } from "../../src/store/store.ts";
import { eventually } from "../support/eventually.ts";

/** A clock moved by hand: `pass` moves both clocks and fires what is due, `jump` the wall alone. */
function createHandClock() {
  let wall = 1_000_000;
  let mono = 0;
  let timers: { at: number; fire: () => void }[] = [];
  const clock: Clock = {
    now: () => wall,
    monotonic: () => mono,
    schedule(delayMs, fire) {
      const timer = { at: mono + delayMs, fire };
      timers.push(timer);
      return () => {
        timers = timers.filter((other) => other !== timer);
      };
    },
  };
  return {
    clock,
    jump(ms: number) {
      wall += ms;
    },
    pass(ms: number) {
      wall += ms;
      mono += ms;
      const due = timers.filter(({ at }) => at <= mono);
      timers = timers.filter(({ at }) => at > mono);
      for (const { fire } of due) fire();
    },
  };
}

async function fixture() {
  const directory = mkdtempSync(join(tmpdir(), "wsrt-expiry-"));
  const hand = createHandClock();
  const noticed: { expiry?: Awaited<ReturnType<typeof startLeaseExpiry>> } = {};
  const store = await openStore({
    database: { kind: "sqlite", path: join(directory, "store.db") },
    nodeId: "node",
    clock: hand.clock,
    onCommit: (changes) => noticed.expiry?.notice(changes),
  });
  const acquire = (runId: string, ttlMs: number) =>
    store.leases.acquire({
      companyId: "c",
      runId,
      workspaceId: "w",
      serviceId: "",
      mode: "SHARED",
      ttlMs,
    });
  const start = async () => {
    noticed.expiry = await startLeaseExpiry({
      store,
      clock: hand.clock,
      failpoints: createFailpoints(),
      log: pino({ level: "silent" }),
      onExpired: () => {},
    });
    return noticed.expiry;
  };
  const standing = async () => {
    const expired = (await store.leases.listExpired()).map(({ runId }) => runId);
    const live = (await store.leases.listLive("")).map(({ runId }) => runId);
    return [...live, ...expired].sort();
  };
  onTestFinished(async () => {
    noticed.expiry?.close();
    await store.close();
    rmSync(directory, { recursive: true });
  });
  return { hand, store, acquire, start, standing };
}

describe("the end of leases by the clock", () => {
  it("comes when the ttl is over, and not for a lease without one", async () => {
    const { hand, acquire, start, standing } = await fixture();
    await start();
    await acquire("short", 1_000);
    await acquire("long", 100_000);
    await acquire("ever", 0);
    hand.pass(999);
    expect(await standing()).toEqual(["ever", "long", "short"]);
    hand.pass(2);
    await eventually(async () => (await standing()).join() === "ever,long");
  });

  it("is put off by a full ttl when the server was away", async () => {
    const { hand, acquire, start, standing } = await fixture();
    await acquire("run", 1_000);
    hand.jump(3_600_000);
    await start();
    hand.pass(900);
    expect(await standing()).toEqual(["run"]);
    hand.pass(200);
    await eventually(async () => (await standing()).length === 0);
  });

  it("is put off by a full ttl when the machine slept", async () => {
    const { hand, store, acquire, start, standing } = await fixture();
    await start();
    await acquire("run", 50_000);
    hand.jump(3_600_000);
    hand.pass(50_001);
    await eventually(async () => (await store.leases.listLive("")).length === 1);
    expect(await standing()).toEqual(["run"]);
  });
});
