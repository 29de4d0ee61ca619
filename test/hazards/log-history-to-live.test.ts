import { once } from "node:events";
import { statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { FollowedBatch } from "../../src/logs/follow-log.ts";
import { punchHole } from "../../src/supervisor/punch-hole.ts";
import {
  bytesOf,
  openLog,
  openLogs,
  pull,
  startFollowing,
  startWriter,
  write,
} from "../logs/support/log-fixture.ts";

const LINES = 600_000;

/** What `seq 1 count` prints. */
function sequence(count: number): Buffer {
  let text = "";
  for (let number = 1; number <= count; number++) text += `${number}\n`;
  return Buffer.from(text);
}

describe("from history to live", () => {
  it("has no gap and no duplicate at full write speed, on both streams, for each reader", async () => {
    const { directory, logs, log } = await openLog();
    const recording = await log.record(1);
    const writers = (["STDOUT", "STDERR"] as const).map((stream) =>
      once(startWriter(directory, stream, `seq 1 ${LINES}`), "exit"),
    );
    let ended: true | undefined;
    const readers = [];
    for (let i = 0; i < 3; i++) {
      const { batches } = await startFollowing(logs, directory, { ended: () => ended });
      readers.push(pull(batches));
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
    await Promise.all(writers);
    await recording.stop();
    ended = true;
    log.wake();
    const expected = sequence(LINES);
    for (const batches of await Promise.all(readers)) {
      expect(bytesOf(batches, "STDOUT").equals(expected)).toBe(true);
      expect(bytesOf(batches, "STDERR").equals(expected)).toBe(true);
      expect(batches.at(-1)?.end).toBe(true);
    }
  });

  it("goes on by cursor over reconnects and restarts of the server", async () => {
    let { directory, logs, log } = await openLog();
    let recording = await log.record(1);
    const writer = startWriter(directory, "STDOUT", `seq 1 ${LINES}`);
    const exit = once(writer, "exit");
    const all: FollowedBatch<true>[] = [];
    let written = false;
    void exit.then(() => {
      written = true;
    });
    for (let connection = 0; ; connection++) {
      const cursor = all.at(-1)?.cursor;
      const { batches, abort } = await startFollowing<true>(logs, directory, {
        start: cursor === undefined ? { kind: "beginning" } : { kind: "cursor", cursor },
        maxBytes: 50_000,
        ended: () => written || undefined,
        heartbeatMs: 50,
      });
      all.push(...(await pull(batches, (some) => some.length === 1 + (connection % 5))));
      abort();
      if (all.at(-1)?.end) break;
      if (connection % 10 === 9) {
        // As after kill -9: nothing is stopped in order.
        await logs.close();
        logs = openLogs();
        log = await logs.open(directory);
        recording = await log.record(1);
      }
    }
    await recording.stop();
    expect(bytesOf(all, "STDOUT").equals(sequence(LINES))).toBe(true);
  });

  it("goes on over restarts of the service", async () => {
    const { directory, logs, log } = await openLog();
    let ended: true | undefined;
    const { batches } = await startFollowing(logs, directory, { ended: () => ended });
    const told = pull(batches);
    for (let instance = 1; instance <= 5; instance++) {
      const recording = await log.record(instance);
      await write(directory, "STDOUT", "seq 1 100000");
      await recording.stop();
    }
    ended = true;
    log.wake();
    const chunks = (await told).flatMap((batch) => batch.chunks);
    for (let instance = 1; instance <= 5; instance++) {
      const own = chunks.filter((chunk) => chunk.instance === instance);
      expect(Buffer.concat(own.map(({ bytes }) => bytes)).equals(sequence(100_000))).toBe(true);
    }
  });

  it("tells what was trimmed with its size, and never a zero of a hole", async () => {
    const { directory, logs, log } = await openLog({ punchHole });
    const recording = await log.record(1, { maxBytes: 256 * 1024 });
    let ended: true | undefined;
    const readers = [];
    for (const pauseMs of [0, 3, 15]) {
      const { batches } = await startFollowing(logs, directory, {
        ended: () => ended,
        maxBytes: 64 * 1024,
      });
      readers.push(slowly(batches, pauseMs));
    }
    await write(directory, "STDOUT", "seq 1000000 4000000");
    await recording.stop();
    ended = true;
    log.wake();
    const { size } = statSync(join(directory, "stdout.log"));
    const gaps: number[] = [];
    for (const batches of await Promise.all(readers)) {
      let next = 1_000_000;
      let total = 0;
      for (const batch of batches) {
        if (batch.gap) {
          expect(batch.chunks).toEqual([]);
          expect(batch.gap).toMatchObject({ stream: "STDOUT", reason: "TRIMMED" });
          total += batch.gap.bytes;
          // Each line has 8 bytes, and a partial one was told only as far as it was read.
          next = 1_000_000 + Math.floor(total / 8);
          gaps.push(batch.gap.bytes);
        }
        for (const { bytes } of batch.chunks) {
          expect(bytes.includes(0)).toBe(false);
          const first = 8 - (total % 8);
          if (first === 8) expect(bytes.subarray(0, 7).toString()).toBe(String(next));
          total += bytes.length;
          next = 1_000_000 + Math.floor(total / 8);
        }
      }
      expect(total).toBe(size);
      expect(bytesOf(batches, "STDOUT").toString().endsWith("\n4000000\n")).toBe(true);
    }
    expect(gaps.length).toBeGreaterThan(0);
  });
});

async function slowly<End>(
  batches: AsyncGenerator<FollowedBatch<End>>,
  pauseMs: number,
): Promise<FollowedBatch<End>[]> {
  const all: FollowedBatch<End>[] = [];
  for await (const batch of batches) {
    all.push(batch);
    if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
  return all;
}
