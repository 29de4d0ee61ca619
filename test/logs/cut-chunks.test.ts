import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cutChunks } from "../../src/logs/cut-chunks.ts";
import type { Segment } from "../../src/logs/plan-read.ts";

const nothing = { start: 0, bytes: Buffer.alloc(0) };

/** Cuts stdout's `pieces`, each a segment of its own, from file offset 100 on. */
function cut(pieces: readonly (readonly [Buffer | string, Segment["rest"]])[], tell = true) {
  let end = 100;
  const segments = pieces.map(([piece, rest], record): Segment => {
    const start = end;
    end += Buffer.byteLength(piece);
    return { stream: 0, start, end, record, time: record, instance: 1, rest };
  });
  const bytes = Buffer.concat(pieces.map(([piece]) => Buffer.from(piece)));
  const result = cutChunks(segments, [{ start: 100, bytes }, nothing], [tell, tell]);
  return { ...result, told: result.chunks.map((chunk) => `${chunk.time} ${chunk.bytes}`) };
}

describe("cutChunks", () => {
  it("tells the rest of a line with its end, at the time of its end", () => {
    expect(
      cut([
        ["a\nb", "wait"],
        ["c\nd\n", "newest"],
      ]).told,
    ).toEqual(["0 a\n", "1 bc\nd\n"]);
  });

  it("tells a line that was left alone as it is, but no half of a character", () => {
    const [head, tail] = [Buffer.from("x €").subarray(0, 3), Buffer.from("€\n").subarray(1)];
    expect(
      cut([
        [head, "idle"],
        [tail, "newest"],
      ]).told,
    ).toEqual(["0 x ", "1 €\n"]);
  });

  it("cuts through everything at a break", () => {
    const half = Buffer.from([0xe2, 0x82]);
    const { chunks, offsets } = cut([[half, "break"]]);
    expect(chunks.map(({ bytes }) => bytes)).toEqual([half]);
    expect(offsets[0]).toBe(102);
  });

  it("holds a newest line that is not to be told, and only that", () => {
    expect(cut([["a\nb", "newest"]], false)).toMatchObject({
      told: ["0 a\n"],
      offsets: [102, 0],
      held: [true, false],
    });
    expect(cut([["a\n", "newest"]], false).held).toEqual([false, false]);
  });

  it("gets on with a line that fills the batch", () => {
    expect(cut([["abc", "wait"]], false)).toMatchObject({ told: ["0 abc"], held: [false, false] });
  });

  it("leaves the begun line to the next batch when there is anything else to tell", () => {
    expect(cut([["a\nbc", "wait"]])).toMatchObject({ told: ["0 a\n"], offsets: [102, 0] });
  });

  it("tells bytes in order, each once, up to where it says", () => {
    const rest = fc.constantFrom<Segment["rest"]>("wait", "newest", "idle", "break");
    const piece = fc.uint8Array({ minLength: 1, maxLength: 20 }).map((bytes) => Buffer.from(bytes));
    fc.assert(
      fc.property(
        fc.array(fc.tuple(piece, rest), { minLength: 1 }),
        fc.boolean(),
        (pieces, tell) => {
          const { chunks, offsets } = cut(pieces, tell);
          const all = Buffer.concat(pieces.map(([bytes]) => bytes));
          expect(Buffer.concat(chunks.map(({ bytes }) => bytes))).toEqual(
            all.subarray(0, offsets[0] - 100),
          );
          if (pieces.at(-1)?.[1] !== "newest") expect(offsets[0]).toBeGreaterThan(100);
        },
      ),
    );
  });
});
