import { chmodSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { append, openLogs, readAll, temporaryDirectory, textOf } from "./support/log-fixture.ts";

describe("logs", () => {
  it("open a directory once for all holders and close it with the last", async () => {
    const logs = openLogs();
    const directory = await temporaryDirectory();
    const [one, two] = await Promise.all([logs.open(directory), logs.open(`${directory}/.`)]);
    expect(logs.counts().open).toBe(1);
    expect(one.generation).toBe(two.generation);
    one.release();
    one.release();
    await append(directory, "STDOUT", "still open\n");
    expect(textOf(await readAll(two, await two.position({ kind: "beginning" })), "STDOUT")).toBe(
      "still open\n",
    );
    two.release();
    expect(logs.counts()).toEqual({ open: 0, watchers: 0, readers: 0 });
  });

  it("keep a log open while it is recorded, whoever lets go of it", async () => {
    const logs = openLogs();
    const log = await logs.open(await temporaryDirectory());
    const recording = await log.record(1);
    log.release();
    expect(logs.counts()).toMatchObject({ open: 1, watchers: 1 });
    await recording.stop();
    await recording.stop();
    expect(logs.counts()).toMatchObject({ open: 0, watchers: 0 });
  });

  it("can be opened and let go in any order without losing a record", async () => {
    const logs = openLogs();
    const directory = await temporaryDirectory();
    for (let instance = 1; instance <= 50; instance++) {
      const log = await logs.open(directory);
      const recording = await log.record(instance);
      await append(directory, "STDOUT", `${instance}\n`);
      void recording.stop();
      log.release();
    }
    const log = await logs.open(directory);
    const batches = await readAll(log, await log.position({ kind: "beginning" }));
    const told = batches.flatMap(({ chunks }) => chunks).map((c) => `${c.instance} ${c.bytes}`);
    expect(told).toEqual(Array.from({ length: 50 }, (_, i) => `${i + 1} ${i + 1}\n`));
  });

  it("refuse a second recording of the same log", async () => {
    const logs = openLogs();
    const log = await logs.open(await temporaryDirectory());
    await log.record(1);
    await expect(log.record(2)).rejects.toThrow(/being recorded for instance 1/);
  });

  it("make files that only their owner can read, in a directory like that", async () => {
    const logs = openLogs();
    const parent = await temporaryDirectory();
    chmodSync(parent, 0o755);
    const directory = join(parent, "service");
    const log = await logs.open(directory);
    const recording = await log.record(1);
    await append(directory, "STDOUT", "x\n");
    await recording.stop();
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    expect(readdirSync(directory).sort()).toEqual(["head", "index", "stderr.log", "stdout.log"]);
    for (const name of readdirSync(directory)) {
      expect(statSync(join(directory, name)).mode & 0o777).toBe(0o600);
    }
  });

  it("keep one generation over restarts, and another for each log", async () => {
    const first = openLogs();
    const [one, other] = [await temporaryDirectory(), await temporaryDirectory()];
    const { generation } = await first.open(one);
    expect((await first.open(other)).generation).not.toBe(generation);
    await first.close();
    expect((await openLogs().open(one)).generation).toBe(generation);
  });

  it("refuse to open once they are closed", async () => {
    const logs = openLogs();
    await logs.close();
    await expect(logs.open(await temporaryDirectory())).rejects.toMatchObject({
      reason: "SHUTTING_DOWN",
    });
  });
});
