import { mkdtempSync, rmSync, type watch } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createSystemClock } from "../../src/clock.ts";
import { createWatcher } from "../../src/supervisor/watch.ts";
import { eventually } from "../support/eventually.ts";
import { createHouse, type House } from "./support.ts";

const refusing = (() => {
  throw Object.assign(new Error("no watches left"), { code: "ENOSPC" });
}) as unknown as typeof watch;

/** As after an overflow of the kernel's queue: watched, and nothing is ever told. */
const deaf = (() => ({ on() {}, close() {} })) as unknown as typeof watch;

describe("watching instance directories", () => {
  let house: House;
  beforeEach(() => {
    house = createHouse();
  });
  afterEach(() => house.close());

  it("sees start and exit when every watch is refused", async () => {
    await house.supervisor({ fsWatch: refusing });
    const instance = await house.start("exec sleep 1000");
    const began = performance.now();
    process.kill(instance.pid, "SIGKILL");
    expect(await instance.exited).toMatchObject({ signal: "SIGKILL" });
    expect(performance.now() - began).toBeLessThan(2000);
  });

  it("sees start, exit and end of output when every event is lost", async () => {
    await house.supervisor({ fsWatch: deaf, sweepMs: 50 });
    const instance = await house.start("echo x; exit 2");
    expect(await instance.exited).toMatchObject({ code: 2 });
    await instance.drained;
  });

  it("takes the watches back when the kernel has some again", async () => {
    const directory = mkdtempSync(join(tmpdir(), "watch-"));
    let refuse = true;
    const watcher = createWatcher({
      clock: createSystemClock(),
      anchor: directory,
      sweepMs: 20,
      fsWatch: ((...args: unknown[]) =>
        (refuse ? refusing : deaf)(...(args as Parameters<typeof watch>))) as typeof watch,
    });
    try {
      expect(watcher.degraded()).toBe(true);
      refuse = false;
      await eventually(() => !watcher.degraded());
    } finally {
      watcher.close();
      rmSync(directory, { recursive: true });
    }
  });
});
