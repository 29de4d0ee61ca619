import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { append, chunksOf, openLog, pull, startFollowing, textOf } from "./support/log-fixture.ts";

describe("following a log", () => {
  it("tells history, then what is written", async () => {
    const { directory, logs, log } = await openLog();
    await append(directory, "STDOUT", "history\n");
    await log.record(1);
    const { batches } = await startFollowing(logs, directory);
    const history = await pull(batches, (all) => textOf(all, "STDOUT") === "history\n");
    expect(history).toHaveLength(1);
    await append(directory, "STDERR", "live\n");
    const live = await pull(batches, (all) => textOf(all, "STDERR") === "live\n");
    expect(live).toHaveLength(1);
  });

  it("tells at once what is written to a log that nobody records", async () => {
    const { directory, logs } = await openLog();
    const { batches } = await startFollowing(logs, directory);
    const begun = performance.now();
    for (let i = 0; i < 10; i++) {
      await append(directory, "STDOUT", `line ${i}\n`);
      expect(textOf(await pull(batches, (all) => all.length === 1), "STDOUT")).toBe(`line ${i}\n`);
    }
    // Ten sweeps would take ten seconds.
    expect(performance.now() - begun).toBeLessThan(7500);
  });

  it("without following, ends where the log ended when it was asked", async () => {
    const { directory, logs } = await openLog();
    await append(directory, "STDOUT", "one\nunfinished");
    const { batches } = await startFollowing(logs, directory, { follow: false });
    const all = await pull(batches);
    expect(textOf(all, "STDOUT")).toBe("one\nunfinished");
    expect(all.at(-1)?.end).toBeUndefined();
  });

  it("tells a prompt without waiting for its line's end", async () => {
    const { directory, logs, log } = await openLog();
    await log.record(1);
    const { batches } = await startFollowing(logs, directory);
    await append(directory, "STDOUT", "password: ");
    const prompt = chunksOf(await pull(batches, (all) => all.length === 1));
    expect(prompt).toMatchObject([{ bytes: Buffer.from("password: "), partial: true }]);
    await append(directory, "STDOUT", "ok\n");
    const answer = chunksOf(await pull(batches, (all) => all.length === 1));
    expect(answer).toMatchObject([{ bytes: Buffer.from("ok\n"), partial: false }]);
  });

  it("tells a broken character at a prompt too", async () => {
    const { directory, logs, log } = await openLog();
    await log.record(1);
    const { batches } = await startFollowing(logs, directory);
    await append(directory, "STDOUT", Buffer.from([0x3e, 0xe2, 0x82]));
    const told = await pull(batches, (all) => chunksOf(all).length === 2);
    expect(chunksOf(told).map(({ bytes }) => [...bytes])).toEqual([[0x3e], [0xe2, 0x82]]);
  });

  it("tells a line that never ends as it grows", async () => {
    const { directory, logs, log } = await openLog();
    await log.record(1);
    const { batches } = await startFollowing(logs, directory);
    const written = (async () => {
      for (let i = 0; i < 40; i++) {
        await append(directory, "STDOUT", `\r${i}%`);
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    })();
    const first = await pull(batches, (all) => all.length === 1);
    expect(textOf(first, "STDOUT").length).toBeLessThan(100);
    await written;
    const rest = await pull(batches, (all) => textOf(all, "STDOUT").endsWith("39%"));
    expect(chunksOf(rest).every(({ partial }) => partial)).toBe(true);
  });

  it("tells a loss before the bytes behind it, found in one look", async () => {
    const { directory, logs, log } = await openLog();
    await log.record(1);
    const { batches } = await startFollowing(logs, directory);
    await append(directory, "STDOUT", "before\n");
    await pull(batches, (all) => textOf(all, "STDOUT") === "before\n");
    appendFileSync(join(directory, "stdout.log.gaps"), "\n7 500\n");
    appendFileSync(join(directory, "stdout.log"), "after\n");
    const told = await pull(batches, (all) => textOf(all, "STDOUT") === "after\n");
    expect(told.map(({ gap }) => gap?.bytes)).toEqual([500, undefined]);
  });

  it("sends a heartbeat when nothing happens", async () => {
    const { directory, logs, log } = await openLog();
    await log.record(1);
    const { batches } = await startFollowing(logs, directory, { heartbeatMs: 20 });
    const beats = await pull(batches, (all) => all.length === 3);
    expect(beats.map(({ heartbeat, chunks }) => [heartbeat, chunks.length])).toEqual([
      [true, 0],
      [true, 0],
      [true, 0],
    ]);
  });

  it("goes on over instances of one service", async () => {
    const { directory, logs, log } = await openLog();
    const { batches } = await startFollowing(logs, directory);
    const told = pull(batches, (all) => textOf(all, "STDOUT").endsWith("3\n"));
    for (const instance of [1, 2, 3]) {
      const recording = await log.record(instance);
      await append(directory, "STDOUT", `of ${instance}\n`);
      await recording.stop();
    }
    const chunks = chunksOf(await told);
    expect(chunks.map(({ instance, bytes }) => `${instance} ${bytes}`)).toEqual([
      "1 of 1\n",
      "2 of 2\n",
      "3 of 3\n",
    ]);
  });

  it("starts where it is asked to", async () => {
    const { directory, logs } = await openLog();
    await append(directory, "STDOUT", "one\ntwo\nthree\n");
    const { batches } = await startFollowing(logs, directory, {
      start: { kind: "tail", lines: 2 },
      follow: false,
    });
    expect(textOf(await pull(batches), "STDOUT")).toBe("two\nthree\n");
  });
});
