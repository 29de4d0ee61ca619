import { appendFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { v7 as uuidv7 } from "uuid";
import { describe, expect, it, onTestFinished } from "vitest";
import { beforeAll as beforeAllLogs, type GroupPosition } from "../../src/runs/group-cursor.ts";
import { createLogMerge, type Told } from "../../src/runs/log-merge.ts";
import { operationMember } from "../../src/runs/members.ts";
import { openLogs, systemClock, temporaryDirectory } from "../logs/support/log-fixture.ts";
import { eventually } from "../support/eventually.ts";

const BEGINNING = beforeAllLogs({ kind: "beginning" }, 0);

async function startMerge() {
  const directory = await temporaryDirectory();
  const logs = openLogs();
  const make = (maxBytes = 256 * 1024, from: GroupPosition = BEGINNING) => {
    const merge = createLogMerge({
      sources: {
        openLog: (source) =>
          logs.open(
            join(directory, source.kind === "service" ? source.serviceId : source.operationId),
          ),
      },
      ...{ clock: systemClock, from, streams: [], maxBytes },
      wake: () => {},
    });
    onTestFinished(() => merge.release());
    return merge;
  };
  const write = (id: string, text: string) => {
    mkdirSync(join(directory, id), { recursive: true });
    appendFileSync(join(directory, id, "stdout.log"), text);
  };
  return { directory, logs, make, write };
}

const textOf = (told: Told | undefined) =>
  told?.chunks.map(({ chunk }) => chunk.bytes.toString()).join("");

describe("the merge of logs", () => {
  it("tells history in the order of its times, each log's lines in their own", async () => {
    const { logs, make, write, directory } = await startMerge();
    const ids = [uuidv7(), uuidv7(), uuidv7()];
    const recorded = await Promise.all(
      ids.map(async (id) => {
        const log = await logs.open(join(directory, id));
        const recording = await log.record(1);
        return { id, log, recording };
      }),
    );
    let expected = "";
    for (let turn = 0; turn < 9; turn++) {
      const { id, log } = recorded[turn % 3] as (typeof recorded)[number];
      write(id, `line ${turn}\n`);
      log.wake();
      expected += `line ${turn}\n`;
      // Index records are 100 ms apart while one stream alone grows.
      await new Promise((resolve) => setTimeout(resolve, 130));
    }
    for (const { recording, log } of recorded) {
      await recording.stop();
      log.release();
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
    const merge = make();
    // The order in which they come to be known is no order.
    for (const id of [...ids].reverse()) merge.put(operationMember(id, false, undefined));
    expect(textOf(await merge.take())).toBe(expected);
    expect(await merge.take()).toBeUndefined();
    expect(merge.isTold(`o${ids[0]}`)).toBe(true);
    expect(logs.counts()).toMatchObject({ open: 0, readers: 0 });
  });

  it("holds one small piece of each of 500 logs, however much they have", async () => {
    const { make, write } = await startMerge();
    const ids = Array.from({ length: 500 }, () => uuidv7());
    for (const id of ids) write(id, `${"x".repeat(1_023)}\n`.repeat(256));
    const merge = make();
    for (const id of ids) merge.put(operationMember(id, true, undefined));
    const before = process.memoryUsage().arrayBuffers;
    let bytes = 0;
    let most = 0;
    for (let turn = 0; turn < 40; turn++) {
      const told = await merge.take();
      for (const { chunk } of told?.chunks ?? []) bytes += chunk.bytes.length;
      most = Math.max(most, process.memoryUsage().arrayBuffers - before);
    }
    expect(bytes).toBeGreaterThan(5_000_000);
    // 500 pieces of 32 KiB are 16 MiB; the rest is what was told and is not collected yet.
    expect(most).toBeLessThan(64 * 1024 * 1024);
  }, 60_000);

  it("goes on behind each single chunk, also in the middle of what was read", async () => {
    const { make, write, logs, directory } = await startMerge();
    const ids = [uuidv7(), uuidv7()];
    for (const id of ids) {
      const log = await logs.open(join(directory, id));
      for (let instance = 1; instance <= 4; instance++) {
        // Each instance's lines are a chunk of their own.
        const recording = await log.record(instance);
        write(id, `${id} ${instance}\n`);
        await recording.stop();
      }
      log.release();
    }
    const seen: string[] = [];
    let from: GroupPosition = BEGINNING;
    for (let turn = 0; turn < 20; turn++) {
      const merge = make(64, from);
      for (const id of ids) merge.put(operationMember(id, false, undefined));
      const told = await merge.take();
      from = merge.position(Date.now());
      merge.release();
      if (told === undefined) break;
      seen.push(textOf(told) ?? "");
    }
    expect(seen.join("").split("\n").filter(Boolean).sort()).toEqual(
      ids.flatMap((id) => [1, 2, 3, 4].map((instance) => `${id} ${instance}`)).sort(),
    );
  });

  it("gives all back in the middle of a take", async () => {
    const { logs, make, write } = await startMerge();
    for (let round = 0; round < 20; round++) {
      const merge = make();
      for (let i = 0; i < 5; i++) {
        const id = uuidv7();
        write(id, "a line\n");
        merge.put(operationMember(id, true, undefined));
      }
      const taking = merge.take();
      if (round % 2 === 1) await new Promise((resolve) => setImmediate(resolve));
      merge.release();
      expect(await taking).toBeUndefined();
    }
    await eventually(() => logs.counts().open === 0);
    expect(logs.counts()).toEqual({ open: 0, watchers: 0, readers: 0 });
  });
});
