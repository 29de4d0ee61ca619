import { appendFile, truncate } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Log } from "../../src/logs/log.ts";
import type { LogStart } from "../../src/logs/resolve-start.ts";
import {
  append,
  chunksOf,
  openLog,
  openLogs,
  readAll,
  temporaryDirectory,
} from "./support/log-fixture.ts";
import { createManualClock } from "./support/manual-clock.ts";

async function textFrom(
  log: Log,
  start: LogStart,
  streams?: ("STDOUT" | "STDERR")[],
): Promise<string> {
  const batches = await readAll(
    log,
    await log.position(start, streams),
    streams ? { streams } : {},
  );
  return chunksOf(batches)
    .map(({ bytes }) => bytes.toString())
    .join("");
}

/** A log whose streams took turns, each turn in a record of its own. */
async function alternating(...texts: string[]) {
  const directory = await temporaryDirectory();
  const clock = createManualClock();
  const logs = openLogs({ clock, watchDirectory: () => ({ close: () => undefined }) });
  const log = await logs.open(directory);
  const recording = await log.record(1);
  for (const [turn, text] of texts.entries()) {
    await append(directory, turn % 2 === 0 ? "STDOUT" : "STDERR", text);
    clock.advance(1000);
  }
  await recording.stop();
  return { directory, log, logs };
}

describe("the tail", () => {
  it("is the last lines of both streams in their common order", async () => {
    const { log } = await alternating("a\nb\n", "c\nd\n", "e\n", "f\n");
    const all = "a\nb\nc\nd\ne\nf\n";
    for (let lines = 0; lines <= 6; lines++) {
      const expected = all.slice(all.length - 2 * lines);
      expect(await textFrom(log, { kind: "tail", lines })).toBe(expected);
    }
    expect(await textFrom(log, { kind: "tail", lines: 1000 })).toBe(all);
  });

  it("counts the lines of the chosen stream alone", async () => {
    const { log } = await alternating("a\nb\n", "c\nd\n", "e\n", "f\n");
    expect(await textFrom(log, { kind: "tail", lines: 2 }, ["STDOUT"])).toBe("b\ne\n");
    expect(await textFrom(log, { kind: "tail", lines: 2 }, ["STDERR"])).toBe("d\nf\n");
  });

  it("counts an unfinished last line, and lines that were written in pieces once", async () => {
    const { log } = await alternating("a\nb", "c\n", "b\ne", "f\ng");
    expect(await textFrom(log, { kind: "tail", lines: 1 })).toBe("g");
    expect(await textFrom(log, { kind: "tail", lines: 3 })).toBe("ef\ng");
    expect(await textFrom(log, { kind: "tail", lines: 4 })).toBe("bb\nef\ng");
    expect(await textFrom(log, { kind: "tail", lines: 5 })).toBe("bc\nb\nef\ng");
  });

  it("reaches over windows and long lines", async () => {
    const { directory, log } = await openLog();
    const lines = Array.from({ length: 50 }, (_, i) => `${i} ${"x".repeat(i * 700)}\n`);
    await append(directory, "STDOUT", lines.join(""));
    for (const count of [1, 2, 30, 50]) {
      expect(await textFrom(log, { kind: "tail", lines: count })).toBe(
        lines.slice(-count).join(""),
      );
    }
  });

  it("of an empty log is its end", async () => {
    const { log } = await openLog();
    expect((await log.position({ kind: "tail", lines: 10 })).offsets).toEqual([0, 0]);
  });
});

describe("since a time", () => {
  it("begins with the first record of that time or later", async () => {
    const { directory, log } = await openLog();
    const recording = await log.record(1);
    await append(directory, "STDOUT", "old\n");
    await recording.stop();
    const written = chunksOf(await readAll(log, await log.position({ kind: "beginning" })))[0];
    const { time } = written as { time: number };
    while (Date.now() < time + 20) await new Promise((resolve) => setImmediate(resolve));
    await append(directory, "STDOUT", "new\n");
    expect(await textFrom(log, { kind: "since", time: 0 })).toBe("old\nnew\n");
    expect(await textFrom(log, { kind: "since", time })).toBe("old\nnew\n");
    expect(await textFrom(log, { kind: "since", time: time + 10 })).toBe("new\n");
    expect(await textFrom(log, { kind: "since", time: Date.now() + 60_000 })).toBe("");
  });

  it("begins with a whole line", async () => {
    const { directory, log } = await openLog();
    const recording = await log.record(1);
    await append(directory, "STDOUT", "old\nbegun ");
    await recording.stop();
    const time = Date.now();
    while (Date.now() < time + 20) await new Promise((resolve) => setImmediate(resolve));
    await append(directory, "STDOUT", "finished\n");
    expect(await textFrom(log, { kind: "since", time: time + 10 })).toBe("begun finished\n");
  });
});

describe("a cursor", () => {
  it("goes on over a restart, byte by byte", async () => {
    const { directory, logs, log } = await openLog();
    await append(directory, "STDOUT", "one\ntwo\n");
    const { cursor } = await log.read(await log.position({ kind: "beginning" }), { maxBytes: 4 });
    await logs.close();
    const again = await openLogs({ clock: createManualClock() }).open(directory);
    expect(await textFrom(again, { kind: "cursor", cursor })).toBe("two\n");
  });

  it("beyond the end of the file is expired, never a wait", async () => {
    const { directory, log } = await openLog();
    await append(directory, "STDOUT", "one\n");
    const { generation } = log;
    const beyond = Buffer.from(`1 ${generation} 5 0 0 0`).toString("base64url");
    await expect(log.position({ kind: "cursor", cursor: beyond })).rejects.toMatchObject({
      reason: "CURSOR_EXPIRED",
    });
  });

  it("of another log is expired", async () => {
    const one = await openLog();
    const other = await openLog();
    const { cursor } = await one.log.read(await one.log.end());
    await expect(other.log.position({ kind: "cursor", cursor })).rejects.toMatchObject({
      reason: "CURSOR_EXPIRED",
    });
  });

  it("of a log that was cut by hand is expired, even when the file is as long again", async () => {
    const { directory, log } = await openLog();
    await append(directory, "STDOUT", "one\ntwo\n");
    const [batch] = await readAll(log, await log.position({ kind: "beginning" }));
    await truncate(join(directory, "stdout.log"), 0);
    log.wake();
    await appendFile(join(directory, "stdout.log"), "other words\n");
    await expect(
      log.position({ kind: "cursor", cursor: batch?.cursor as string }),
    ).rejects.toMatchObject({ reason: "CURSOR_EXPIRED" });
    await expect(log.read(batch?.position as never)).rejects.toMatchObject({
      reason: "CURSOR_EXPIRED",
    });
    expect(await textFrom(log, { kind: "beginning" })).toBe("other words\n");
  });

  it("of a log that lost its end while nobody looked is expired", async () => {
    const { directory, logs, log } = await openLog();
    const recording = await log.record(1);
    await append(directory, "STDOUT", "one\ntwo\n");
    await recording.stop();
    const [batch] = await readAll(log, await log.position({ kind: "beginning" }));
    await logs.close();
    await truncate(join(directory, "stdout.log"), 4);
    const again = await openLogs({ clock: createManualClock() }).open(directory);
    await append(directory, "STDOUT", "another line\n");
    await expect(
      again.position({ kind: "cursor", cursor: batch?.cursor as string }),
    ).rejects.toMatchObject({ reason: "CURSOR_EXPIRED" });
  });
});
