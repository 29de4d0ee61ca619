import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  beforeAll as beforeAllLogs,
  decodeGroupCursor,
  encodeGroupCursor,
  type GroupPosition,
} from "../../src/runs/group-cursor.ts";

const run = { kind: "run", runId: "r1" } as const;
const offset = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
/** What has a log has an id of this server's. */
const ownId = fc.uuid({ version: 7 });
const id = fc.oneof(ownId, fc.string({ minLength: 1, maxLength: 200 }));
const place = fc.record({
  position: fc.record({
    generation: fc.stringMatching(/^[\w-]{12}$/),
    offsets: fc.tuple(offset, offset),
    told: fc.tuple(offset, offset),
  }),
  hasLeft: fc.boolean(),
});
const start = fc.oneof(
  fc.constant({ start: { kind: "beginning" }, startTime: 0 } as const),
  fc.record({
    start: fc.record({ kind: fc.constant("tail"), lines: fc.nat() }),
    startTime: offset,
  }),
  fc.record({ start: fc.record({ kind: fc.constant("since"), time: offset }), startTime: offset }),
);
const position = fc
  .record({
    settledBelow: fc.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}$/),
    done: fc.uniqueArray(id, { maxLength: 5 }),
    logs: fc
      .array(fc.tuple(fc.constantFrom("o", "s"), ownId, place), { maxLength: 5 })
      .map((all) => new Map(all.map(([kind, name, at]) => [kind + name, at]))),
  })
  .chain((rest) => start.map((began) => ({ ...rest, ...began }) as GroupPosition));

describe("a cursor of several logs", () => {
  it("says what it was made of, whatever that is", () => {
    fc.assert(
      fc.property(position, (made) => {
        expect(decodeGroupCursor(run, encodeGroupCursor(run, made))).toEqual(made);
      }),
    );
  });

  it("is refused when a log's id could be a path: one that was made by hand opens no other directory", () => {
    for (const name of ["../../../etc", "..", "a/b", "01a20f9c-a3a9-725e-89c7-7314d6632211/.."]) {
      const at = { position: { generation: "g", offsets: [0, 0], told: [0, 0] }, hasLeft: false };
      const forged = encodeGroupCursor(run, {
        settledBelow: "",
        done: [],
        logs: new Map([[`s${name}`, at as never]]),
        start: { kind: "beginning" },
        startTime: 0,
      });
      expect(() => decodeGroupCursor(run, forged)).toThrow(
        expect.objectContaining({ reason: "INVALID_FIELD" }),
      );
    }
  });

  it("is refused as a field, whatever was done to it", () => {
    fc.assert(
      fc.property(position, fc.nat(), fc.string({ maxLength: 3 }), (made, at, inserted) => {
        const cursor = encodeGroupCursor(run, made);
        const cut = at % (cursor.length + 1);
        try {
          decodeGroupCursor(run, cursor.slice(0, cut) + inserted + cursor.slice(cut + 1));
        } catch (error) {
          expect(error).toMatchObject({ reason: "INVALID_FIELD" });
          expect(error).toHaveProperty("violations.0.field", "cursor");
        }
      }),
    );
  });

  it("has about 45 characters for each log that is begun", () => {
    const logs = new Map(
      Array.from({ length: 500 }, (_, i) => [
        `s01a20f9e-a367-7000-8000-${String(i).padStart(12, "0")}`,
        {
          position: { generation: "x".repeat(12), offsets: [1e7, 1e5], told: [0, 0] } as const,
          hasLeft: false,
        },
      ]),
    );
    const cursor = encodeGroupCursor(run, { ...beforeAllLogs({ kind: "beginning" }, 0), logs });
    expect(cursor.length / 500).toBeLessThan(60);
  });
});
