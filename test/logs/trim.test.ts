import { appendFileSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { punchHole } from "../../src/supervisor/punch-hole.ts";
import { eventually } from "../support/eventually.ts";
import { append, openLog, openLogs, readAll, textOf, write } from "./support/log-fixture.ts";

const KIB = 1024;

describe("trimming", () => {
  it("frees the head's blocks, keeps offsets, and begins with a whole line", async () => {
    const { directory, log } = await openLog({ punchHole });
    const recording = await log.record(1, { maxBytes: 128 * KIB });
    await write(directory, "STDOUT", "seq 1000000 1100000");
    const { size } = await stat(join(directory, "stdout.log"));
    await eventually(async () => (await log.read(await log.position({ kind: "beginning" }))).gap);
    await recording.stop();

    const { blocks } = await stat(join(directory, "stdout.log"));
    expect(blocks * 512).toBeLessThan(300 * KIB);
    const batches = await readAll(log, await log.position({ kind: "beginning" }));
    const gap = batches[0]?.gap;
    expect(gap).toMatchObject({ stream: "STDOUT", reason: "TRIMMED" });
    const text = textOf(batches, "STDOUT");
    expect((gap?.bytes ?? 0) + text.length).toBe(size);
    expect(text).toMatch(/^\d{7}\n/);
    expect(text.endsWith("1100000\n")).toBe(true);
    expect(text.length).toBeGreaterThanOrEqual(127 * KIB);
  });

  it("stores the mark before it punches", async () => {
    const heads: string[] = [];
    const { directory, log } = await openLog({
      punchHole: async (path) => {
        heads.push(await readFile(join(path, "..", "head"), "latin1"));
      },
    });
    const recording = await log.record(1, { maxBytes: KIB });
    appendFileSync(join(directory, "stdout.log"), "x".repeat(300 * KIB));
    await eventually(() => heads.length > 0);
    await recording.stop();
    expect(Number(heads[0]?.split(" ")[2])).toBeGreaterThanOrEqual(299 * KIB);
  });

  it("is still known after a restart", async () => {
    const { directory, logs, log } = await openLog({ punchHole });
    const recording = await log.record(1, { maxBytes: 64 * KIB });
    await write(directory, "STDERR", "seq 1000000 1050000");
    await recording.stop();
    const gapOf = async (opened: typeof log) =>
      (await opened.read(await opened.position({ kind: "beginning" }))).gap;
    const gap = await gapOf(log);
    expect(gap?.reason).toBe("TRIMMED");
    await logs.close();
    expect(await gapOf(await openLogs().open(directory))).toEqual(gap);
  });

  it("never happens to the stream that is small", async () => {
    const { directory, log } = await openLog({ punchHole });
    const recording = await log.record(1, { maxBytes: 64 * KIB });
    await append(directory, "STDERR", "kept\n");
    await write(directory, "STDOUT", "seq 1000000 1050000");
    await recording.stop();
    const batches = await readAll(log, await log.position({ kind: "beginning" }));
    expect(textOf(batches, "STDERR")).toBe("kept\n");
    expect(batches.filter(({ gap }) => gap).map(({ gap }) => gap?.stream)).toEqual(["STDOUT"]);
  });
});
