import { statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openLog, pull, startFollowing, write } from "../logs/support/log-fixture.ts";

const BYTES = 100 * 1024 * 1024;
const WRITE = `yes "a line of a service that is in a hurry" | head -c ${BYTES}`;

describe("a paused reader", () => {
  it("holds up neither the writer nor another reader, costs no memory, and catches up", async () => {
    const { directory, logs, log } = await openLog();
    const recording = await log.record(1);
    let ended: true | undefined;
    const paused = await startFollowing(logs, directory, { ended: () => ended });
    const other = await startFollowing(logs, directory, { ended: () => ended });
    const quick = count(other.batches);
    const first = paused.batches.next();
    await write(directory, "STDOUT", "echo first");
    expect((await first).value?.chunks.length).toBe(1);

    const before = process.memoryUsage();
    await write(directory, "STDOUT", WRITE);
    await recording.stop();
    ended = true;
    log.wake();
    const { size } = statSync(join(directory, "stdout.log"));
    expect(await quick).toBe(size);
    const after = process.memoryUsage();
    expect(after.heapUsed - before.heapUsed).toBeLessThan(32 * 1024 * 1024);
    expect(await count(paused.batches)).toBe(size - "first\n".length);
  });

  it("keeps no queue: a thousand of them hold no bytes", async () => {
    const { directory, logs, log } = await openLog();
    const recording = await log.record(1);
    const readers = [];
    for (let i = 0; i < 1000; i++) {
      const { batches } = await startFollowing(logs, directory, { maxBytes: 1024 });
      readers.push(batches.next());
    }
    await write(directory, "STDOUT", "echo first");
    await Promise.all(readers);
    const before = process.memoryUsage().arrayBuffers;
    await write(directory, "STDOUT", `yes | head -c 20000000`);
    await recording.stop();
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8 * 1024 * 1024);
  });
});

async function count(batches: Awaited<ReturnType<typeof startFollowing<true>>>["batches"]) {
  let bytes = 0;
  for (;;) {
    const [batch] = await pull(batches, (some) => some.length === 1);
    if (batch === undefined || batch.end) return bytes;
    for (const chunk of batch.chunks) bytes += chunk.bytes.length;
  }
}
