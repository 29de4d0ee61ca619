import { describe, expect, it } from "vitest";
import {
  append,
  bytesOf,
  chunksOf,
  openLog,
  pull,
  readAll,
  startFollowing,
  write,
} from "../logs/support/log-fixture.ts";

const beginning = { kind: "beginning" } as const;
const MIB = 1024 * 1024;

async function readBack(bytes: Uint8Array, maxBytes: number) {
  const { directory, log } = await openLog();
  await append(directory, "STDOUT", bytes);
  return await readAll(log, await log.position(beginning), { maxBytes });
}

describe("the bytes of a log", () => {
  it.each([
    ["invalid UTF-8", Buffer.from([0xff, 0xfe, 0x0a, 0xc3, 0x28, 0x80, 0x0a, 0xf0, 0x9f])],
    ["NUL", Buffer.from("a\0b\0\0\n\0")],
    ["CRLF and lone CR", Buffer.from("one\r\ntwo\rthree\r\n")],
    ["ANSI", Buffer.from("\u001b[31mred\u001b[0m\n\u001b[2K\u001b[1G50%")],
    ["no final newline", Buffer.from("one\ntwo")],
    ["nothing but newlines", Buffer.from("\n\n\n\n")],
    ["every byte", Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))],
  ])("are the service's own: %s, in batches of any size", async (_name, bytes) => {
    for (const maxBytes of [1, 2, 3, 4, 5, 7, 16, 1000]) {
      expect(bytesOf(await readBack(bytes, maxBytes), "STDOUT")).toEqual(bytes);
    }
  });

  it("are valid text in every chunk if the line is, wherever a batch ends", async () => {
    const text = `${"aä€😀".repeat(500)}\n`.repeat(3);
    for (const maxBytes of [4, 5, 6, 7, 100, 1021, 1022, 1023, 1024]) {
      const batches = await readBack(Buffer.from(text), maxBytes);
      const decoder = new TextDecoder("utf-8", { fatal: true });
      const told = chunksOf(batches).map(({ bytes }) => decoder.decode(bytes));
      expect(told.join("")).toBe(text);
    }
  });

  it("are valid text when a character is written in two halves", async () => {
    const { directory, logs, log } = await openLog();
    await log.record(1);
    const { batches } = await startFollowing(logs, directory);
    const [first, second] = [
      Buffer.from("price: €").subarray(0, -1),
      Buffer.from("€").subarray(-1),
    ];
    await append(directory, "STDOUT", first);
    const prompt = await pull(batches, (all) => all.length === 1);
    expect(bytesOf(prompt, "STDOUT").toString()).toBe("price: ");
    await append(directory, "STDOUT", second);
    const rest = await pull(batches, (all) => bytesOf(all, "STDOUT").length === 3);
    expect(bytesOf(rest, "STDOUT").toString()).toBe("€");
  });

  it("end as a partial line when the service ends in one", async () => {
    const { directory, log } = await openLog();
    const recording = await log.record(1);
    await append(directory, "STDERR", "fatal: no newl");
    await recording.stop();
    expect(chunksOf(await readAll(log, await log.position(beginning)))).toMatchObject([
      { stream: "STDERR", bytes: Buffer.from("fatal: no newl"), partial: true },
    ]);
  });

  it("come in bounded pieces when a line is very long, only the last of which ends it", async () => {
    const size = (process.env.TEST_FULL ? 100 : 32) * MIB;
    const { directory, logs, log } = await openLog();
    const recording = await log.record(1);
    let ended: true | undefined;
    const { batches } = await startFollowing(logs, directory, { ended: () => ended });
    const told = pull(batches);
    await write(directory, "STDOUT", `{ yes abcdefg | head -c ${size} | tr '\\n' h; echo; }`);
    await recording.stop();
    ended = true;
    log.wake();
    const all = await told;
    const chunks = chunksOf(all);
    expect(chunks.slice(0, -1).every(({ partial }) => partial)).toBe(true);
    expect(chunks.at(-1)?.partial).toBe(false);
    expect(Math.max(...chunks.map(({ bytes }) => bytes.length))).toBeLessThanOrEqual(256 * 1024);
    const expected = Buffer.alloc(size + 1, "abcdefgh");
    expected[size] = 10;
    expect(bytesOf(all, "STDOUT").equals(expected)).toBe(true);
  });
});
