import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fold } from "../../src/events/fold.ts";
import type { Change } from "../../src/model/change.ts";
import { idOf } from "../../src/model/change.ts";
import { deleted, subjectOfLease, upserted } from "./new-changes.ts";

describe("folding", () => {
  it("keeps each resource's newest change, in the order of revisions", () => {
    const changes = [
      upserted(1, { leaseId: "a" }, subjectOfLease()),
      upserted(2, { leaseId: "b" }),
      upserted(3, { leaseId: "a", runId: "r2" }, subjectOfLease()),
    ];
    expect(fold(changes, 10)).toEqual({ changes: [changes[1], changes[2]], revision: 3 });
  });

  it("remembers what a resource was before the first of its changes", () => {
    const first = subjectOfLease({ runId: "r1" });
    const changes = [
      upserted(1, { runId: "r2" }, first),
      upserted(2, { runId: "r3" }, subjectOfLease({ runId: "r2" })),
    ];
    expect(fold(changes, 10).changes).toMatchObject([{ revision: 2, previous: first }]);
  });

  it("says nothing of what came and went in between", () => {
    expect(fold([upserted(1), deleted(2)], 10)).toEqual({ changes: [], revision: 2 });
  });

  it("takes one that was deleted and made again as changed", () => {
    const changes = fold([deleted(1), upserted(2, { runId: "r2" })], 10).changes;
    expect(changes).toMatchObject([{ type: "UPSERTED", revision: 2, previous: subjectOfLease() }]);
  });

  it("stops before the first resource too many", () => {
    const changes = [
      upserted(1, { leaseId: "a" }),
      upserted(2, { leaseId: "b" }),
      upserted(3, { leaseId: "a" }),
      upserted(4, { leaseId: "c" }),
      upserted(5, { leaseId: "a" }),
    ];
    expect(fold(changes, 2)).toEqual({
      changes: [changes[1], upserted(3, { leaseId: "a" })],
      revision: 3,
    });
  });

  it("leads to the same state as every change by itself, in pieces of any size", () => {
    const history = fc
      .array(fc.tuple(fc.constantFrom("a", "b", "c"), fc.boolean()), { maxLength: 30 })
      .map(toHistory);
    fc.assert(
      fc.property(history, fc.integer({ min: 1, max: 4 }), (changes, limit) => {
        const told: Change[] = [];
        for (let rest: readonly Change[] = changes; rest.length > 0; ) {
          const folded = fold(rest, limit);
          told.push(...folded.changes);
          rest = rest.filter(({ revision }) => revision > folded.revision);
        }
        expect(stateAfter(told)).toEqual(stateAfter(changes));
        const revisions = told.map(({ revision }) => revision);
        expect(revisions).toEqual([...new Set(revisions)].sort((a, b) => a - b));
      }),
    );
  });
});

/** A history that could be: nothing is deleted that is not there. */
function toHistory(steps: readonly (readonly [string, boolean])[]): Change[] {
  const present = new Set<string>();
  return steps.map(([leaseId, keep], index) => {
    const revision = index + 1;
    const before = present.has(leaseId) ? subjectOfLease() : undefined;
    if (!keep && before !== undefined) {
      present.delete(leaseId);
      return deleted(revision, { leaseId });
    }
    present.add(leaseId);
    return upserted(revision, { leaseId }, before);
  });
}

function stateAfter(changes: readonly Change[]): Map<string, number> {
  const state = new Map<string, number>();
  for (const change of changes) {
    if (change.type === "DELETED") state.delete(idOf(change));
    else state.set(idOf(change), change.revision);
  }
  return new Map([...state].sort());
}
