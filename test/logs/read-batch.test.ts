import { appendFileSync } from "node:fs";
import { truncate } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it, onTestFinished } from "vitest";
import type { LogPosition } from "../../src/logs/log-position.ts";
import { type LogState, openLogState } from "../../src/logs/log-state.ts";
import { createLogs } from "../../src/logs/logs.ts";
import { readBatch } from "../../src/logs/read-batch.ts";
import { resolveStart } from "../../src/logs/resolve-start.ts";
import { punchHole } from "../../src/supervisor/punch-hole.ts";
import {
  append,
  chunksOf,
  openLog,
  openLogs,
  readAll,
  temporaryDirectory,
  textOf,
} from "./support/log-fixture.ts";
import { createManualClock } from "./support/manual-clock.ts";

const beginning = { kind: "beginning" } as const;

describe("reading a log", () => {
  it("gives whole lines of one stream and time as one chunk", async () => {
    const { directory, log } = await openLog();
    await append(directory, "STDOUT", "one\ntwo\nthree\n");
    const batches = await readAll(log, await log.position(beginning));
    expect(chunksOf(batches)).toMatchObject([{ stream: "STDOUT", partial: false }]);
    expect(textOf(batches, "STDOUT")).toBe("one\ntwo\nthree\n");
  });

  it("ends a batch with a whole line where it can", async () => {
    const { directory, log } = await openLog();
    await append(directory, "STDOUT", "aaaa\nbbbb\ncccc\n");
    const batch = await log.read(await log.position(beginning), { maxBytes: 12 });
    expect(batch.chunks.map(({ bytes }) => bytes.toString())).toEqual(["aaaa\nbbbb\n"]);
  });

  it("splits a line that is longer than a batch, between characters", async () => {
    const { directory, log } = await openLog();
    await append(directory, "STDOUT", "ää€€😀😀\n");
    const batches = await readAll(log, await log.position(beginning), { maxBytes: 5 });
    expect(chunksOf(batches).map(({ bytes }) => bytes.toString())).toEqual([
      "ää",
      "€",
      "€",
      "😀",
      "😀\n",
    ]);
    expect(chunksOf(batches).map(({ partial }) => partial)).toEqual([
      true,
      true,
      true,
      true,
      false,
    ]);
  });

  it("leaves the unfinished last line when it is told to, and says so", async () => {
    const { directory, log } = await openLog();
    await append(directory, "STDOUT", "done\n$ ");
    const first = await log.read(await log.position(beginning), { tellRest: [false, false] });
    expect(textOf([first], "STDOUT")).toBe("done\n");
    expect(first.held).toEqual([true, false]);
    const rest = await log.read(first.position);
    expect(rest.chunks).toMatchObject([{ bytes: Buffer.from("$ "), partial: true }]);
  });

  it("reads only the streams that are asked for, and leaves the other where it was", async () => {
    const { directory, log } = await openLog();
    await append(directory, "STDOUT", "out\n");
    await append(directory, "STDERR", "err\n");
    const batches = await readAll(log, await log.position(beginning), { streams: ["STDERR"] });
    expect(chunksOf(batches).map(({ stream }) => stream)).toEqual(["STDERR"]);
    expect(batches.at(-1)?.position.offsets).toEqual([0, 4]);
  });

  it("can go on with other streams from the same position", async () => {
    const { directory, log } = await openLog();
    for (const instance of [1, 2, 3]) {
      const recording = await log.record(instance);
      await append(directory, "STDOUT", `out ${instance}\n`);
      await append(directory, "STDERR", `err ${instance}\n`);
      await recording.stop();
    }
    const errors = await readAll(log, await log.position(beginning), { streams: ["STDERR"] });
    const rest = await readAll(log, errors.at(-1)?.position as LogPosition);
    expect(chunksOf(rest).map(({ instance, bytes }) => `${instance} ${bytes}`)).toEqual([
      "1 out 1\n",
      "2 out 2\n",
      "3 out 3\n",
    ]);
  });

  it("gives times from the files and instances from the recordings", async () => {
    const { directory, log } = await openLog();
    const before = Date.now() - 20;
    for (const instance of [1, 2]) {
      const recording = await log.record(instance);
      await append(directory, "STDOUT", `of ${instance}\nunfinished`);
      await recording.stop();
    }
    const chunks = chunksOf(await readAll(log, await log.position(beginning)));
    expect(
      chunks.map(({ instance, bytes, partial }) => [instance, bytes.toString(), partial]),
    ).toEqual([
      [1, "of 1\nunfinished", true],
      [2, "of 2\nunfinished", true],
    ]);
    for (const { time } of chunks) {
      expect(time).toBeGreaterThanOrEqual(before);
      expect(time).toBeLessThanOrEqual(Date.now() + 20);
    }
  });

  it("tells what was lost where it was lost, alone and before what follows", async () => {
    const { directory, log } = await openLog();
    await append(directory, "STDOUT", "before\nhalf a li");
    appendFileSync(join(directory, "stdout.log.gaps"), "\n16 1000\n");
    await append(directory, "STDOUT", "ter\n");
    const batches = await readAll(log, await log.position(beginning));
    expect(
      batches.map(({ chunks, gap }) => gap ?? chunks.map(({ bytes }) => bytes.toString())),
    ).toEqual([
      ["before\nhalf a li"],
      { stream: "STDOUT", bytes: 1000, reason: "LOST" },
      ["ter\n"],
    ]);
    const told = batches[1]?.cursor as string;
    const after = await readAll(log, await log.position({ kind: "cursor", cursor: told }));
    expect(after.map(({ gap }) => gap)).toEqual([undefined]);
  });

  it("tells what an instance lost at its end on a full disk", async () => {
    const { directory, log } = await openLog();
    const instanceDirectory = await temporaryDirectory();
    const recording = await log.record(1, { instanceDirectory });
    await append(directory, "STDERR", "last words\n");
    appendFileSync(join(instanceDirectory, "stderr.lost"), `${"4096".padEnd(31)}\n`);
    await recording.stop();
    const batches = await readAll(log, await log.position(beginning));
    expect(batches.at(-1)?.gap).toEqual({ stream: "STDERR", bytes: 4096, reason: "LOST" });
  });

  it("does not wait for the rest of a line behind which the other stream went on", async () => {
    const directory = await temporaryDirectory();
    const clock = createManualClock();
    const logs = openLogs({ clock, watchDirectory: () => ({ close: () => undefined }) });
    const log = await logs.open(directory);
    await log.record(1);
    await append(directory, "STDOUT", "password: ");
    clock.advance(1000);
    await append(directory, "STDERR", "timeout\n");
    clock.advance(1000);
    const batch = await log.read(await log.position(beginning), { tellRest: [false, false] });
    expect(batch.chunks.map(({ bytes }) => bytes.toString())).toEqual(["password: ", "timeout\n"]);
  });

  it("throws away what it read of a part that was trimmed meanwhile", async () => {
    const directory = await temporaryDirectory();
    await append(directory, "STDOUT", `${"gone\n".repeat(2000)}kept\n`);
    const state = await openState(directory);
    const racing = beforeFirstRead(state, async () => {
      await state.writeHead({ low: [10_000, 0] });
      await punchHole(join(directory, "stdout.log"), 0, 8192);
    });
    const position = await resolveStart(state, beginning, [0, 1]);
    const first = await readBatch(racing, position, [0, 1], 100_000, [true, true]);
    expect(first.gap).toEqual({ stream: "STDOUT", bytes: 10_000, reason: "TRIMMED" });
    const second = await readBatch(racing, first.position, [0, 1], 100_000, [true, true]);
    expect(textOf([second], "STDOUT")).toBe("kept\n");
  });

  it("throws away what it read of a file that was cut and grew again meanwhile", async () => {
    const directory = await temporaryDirectory();
    await append(directory, "STDOUT", "one line\n");
    const state = await openState(directory);
    const racing = beforeFirstRead(state, async () => {
      await truncate(join(directory, "stdout.log"), 0);
      state.look(false);
      await append(directory, "STDOUT", "quite another line\n");
    });
    const position = await resolveStart(state, beginning, [0, 1]);
    await expect(readBatch(racing, position, [0, 1], 100_000, [true, true])).rejects.toMatchObject({
      reason: "CURSOR_EXPIRED",
    });
  });

  it("gives every byte of each stream once and in order, whatever is written, recorded, restarted and asked for", async () => {
    const text = fc.oneof(
      fc.string({ unit: "grapheme", maxLength: 30 }).map((string) => Buffer.from(string)),
      fc
        .constantFrom("\n", "line\n", "\n\n", "x".repeat(100), "ä\n")
        .map((string) => Buffer.from(string)),
      fc
        .constantFrom([0xe2], [0xe2, 0x82], [0xac, 0x0a], [0xff])
        .map((bytes) => Buffer.from(bytes)),
    );
    const step = fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({
          kind: fc.constant("append"),
          stream: fc.constantFrom("STDOUT", "STDERR"),
          text,
        }),
      },
      { weight: 4, arbitrary: fc.record({ kind: fc.constant("advance"), by: fc.nat(200) }) },
      {
        weight: 3,
        arbitrary: fc.record({
          kind: fc.constant("read"),
          maxBytes: fc.integer({ min: 1, max: 64 }),
          tell: fc.boolean(),
        }),
      },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant("restart") }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant("instance") }) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const directory = await temporaryDirectory();
        const clock = createManualClock();
        const open = async () => {
          const logs = createLogs({ clock, watchDirectory: () => ({ close: () => undefined }) });
          const log = await logs.open(directory);
          return { logs, log, recording: await log.record(instance) };
        };
        let instance = 1;
        let opened = await open();
        let { cursor } = await opened.log.read(await opened.log.position(beginning), {
          maxBytes: 1,
        });
        const written: { stream: string; instance: number; text: Buffer }[] = [];
        const got: Awaited<ReturnType<typeof readAll>> = [];
        const read = async (maxBytes: number, tell: boolean) => {
          const position = await opened.log.position({ kind: "cursor", cursor });
          const batch = await opened.log.read(position, { maxBytes, tellRest: [tell, tell] });
          cursor = batch.cursor;
          got.push(batch);
          return batch;
        };
        for (const each of steps) {
          if ("text" in each) {
            appendFileSync(join(directory, `${each.stream.toLowerCase()}.log`), each.text);
            written.push({ stream: each.stream, instance, text: each.text });
          } else if ("by" in each) clock.advance(each.by);
          else if ("maxBytes" in each) await read(each.maxBytes, each.tell);
          else if (each.kind === "instance") {
            await opened.recording.stop();
            instance += 1;
            opened = { ...opened, recording: await opened.log.record(instance) };
          } else {
            await opened.logs.close();
            opened = await open();
          }
        }
        await opened.recording.stop();
        while ((await read(50, true)).chunks.length > 0);
        await opened.logs.close();

        const chunks = chunksOf(got);
        for (const stream of ["STDOUT", "STDERR"]) {
          for (let each = 1; each <= instance; each++) {
            const own = (of: { stream: string; instance: number }) =>
              of.stream === stream && of.instance === each;
            expect(Buffer.concat(chunks.filter(own).map(({ bytes }) => bytes))).toEqual(
              Buffer.concat(written.filter(own).map(({ text }) => text)),
            );
          }
        }
        for (const { bytes, partial } of chunks) expect(bytes.at(-1) === 10).toBe(!partial);
        for (const { chunks } of got) {
          expect(chunks.reduce((sum, { bytes }) => sum + bytes.length, 0)).toBeLessThanOrEqual(64);
        }
      }),
      { numRuns: 150 },
    );
  });
});

async function openState(directory: string): Promise<LogState> {
  const state = await openLogState(directory, (_message, error) => {
    throw error;
  });
  onTestFinished(() => state.close());
  return state;
}

/** The same state, but for something that happens when the next read of stdout is already on its way. */
function beforeFirstRead(state: LogState, happen: () => Promise<void>): LogState {
  let happened = false;
  const stdout = Object.create(state.outputs[0], {
    read: {
      value: async (...parameters: Parameters<(typeof state.outputs)[0]["read"]>) => {
        if (!happened) {
          happened = true;
          await happen();
        }
        return await state.outputs[0].read(...parameters);
      },
    },
  });
  return Object.create(state, { outputs: { value: [stdout, state.outputs[1]] } });
}
