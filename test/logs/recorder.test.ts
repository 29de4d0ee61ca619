import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { IndexRecord } from "../../src/logs/index-record.ts";
import { createRecorder } from "../../src/logs/recorder.ts";

/** Looks each 10 ms at streams that grow as told: "o", "e", "b" (both) or "-". */
function record(growth: string): (IndexRecord & { readonly look: number })[] {
  const recorder = createRecorder([0, 0], 1);
  const offsets: [number, number] = [0, 0];
  const records: (IndexRecord & { look: number })[] = [];
  [...growth].forEach((grown, look) => {
    if (grown === "o" || grown === "b") offsets[0] += 1;
    if (grown === "e" || grown === "b") offsets[1] += 1;
    const found = recorder.look({ time: look * 10, offsets: [...offsets] }, look * 10);
    records.push(...found.map((each) => ({ ...each, look })));
  });
  const settled = recorder.settle({ time: growth.length * 10, offsets: [...offsets] });
  records.push(...settled.map((each) => ({ ...each, look: growth.length })));
  return records;
}

describe("recorder", () => {
  it("makes one record each 100 ms while one stream grows", () => {
    expect(record("o".repeat(100)).length).toBeLessThanOrEqual(11);
  });

  it("records the end of one stream's run before the other's begins", () => {
    expect(record("ooeeo").map(({ offsets }) => offsets)).toEqual([
      [2, 0],
      [2, 2],
      [3, 2],
    ]);
  });

  it("makes at most one record a look, and none without growth", () => {
    const one = record("obeoobebo".repeat(20));
    for (let look = 0; look < 180; look++) {
      expect(one.filter((each) => each.look === look).length).toBeLessThanOrEqual(1);
    }
    expect(record("-----")).toEqual([]);
  });

  it("does not look twice within 10 ms", () => {
    const recorder = createRecorder([0, 0], 1);
    expect(recorder.look({ time: 0, offsets: [1, 0] }, 0)).toEqual([]);
    expect(recorder.look({ time: 2, offsets: [1, 1] }, 2)).toEqual([]);
    expect(recorder.pending?.offsets).toEqual([1, 0]);
  });

  it("covers every byte, in order, and never puts two streams' runs into one record", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom("o", "e", "b", "-"), { maxLength: 200 }), (looks) => {
        const records = record(looks.join(""));
        let before = [0, 0];
        for (const { offsets } of records) {
          expect(offsets[0]).toBeGreaterThanOrEqual(before[0] as number);
          expect(offsets[1]).toBeGreaterThanOrEqual(before[1] as number);
          before = [...offsets];
        }
        expect(before).toEqual([
          looks.filter((look) => "ob".includes(look)).length,
          looks.filter((look) => "eb".includes(look)).length,
        ]);
        if (!looks.includes("b")) {
          let last = [0, 0];
          for (const { offsets } of records) {
            expect(offsets[0] > (last[0] as number) && offsets[1] > (last[1] as number)).toBe(
              false,
            );
            last = [...offsets];
          }
        }
      }),
    );
  });
});
