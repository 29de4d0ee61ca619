import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Change } from "../../src/model/change.ts";
import type { Store } from "../../src/store/store.ts";
import { databases } from "../support/databases.ts";
import { newClaim, newOperation, newService } from "./new-records.ts";
import { useStore } from "./use-store.ts";

/** What one transaction does; "fail" rolls back what it did before. */
const step = fc.constantFrom("operation", "service", "lease", "release", "port", "fail");
const transactions = fc.array(fc.array(step, { minLength: 1, maxLength: 4 }), {
  minLength: 1,
  maxLength: 12,
});

describe.each(databases)("revisions on $name", { timeout: 120_000 }, (database) => {
  const fixture = useStore(database);

  it("are told and replayed in order, without a hole, whatever runs at once", async () => {
    const { store, open, commits } = fixture();
    const elsewhere: Change[] = [];
    // Two servers on one PostgreSQL; a SQLite has one.
    const second =
      database.name === "SQLite"
        ? store
        : await open({ nodeId: "n2", onCommit: (changes) => void elsewhere.push(...changes) });
    let id = 0;

    await fc.assert(
      fc.asyncProperty(transactions, async (plan) => {
        await Promise.all(
          plan.map((steps, index) =>
            run(index % 2 === 0 ? store : second, steps, () => `x${id++}`).catch(() => {}),
          ),
        );
        const newest = await store.changes.revision();
        const replayed = await store.changes.since(0, newest + 1);
        expect(replayed?.map(({ revision }) => revision) ?? []).toEqual(
          Array.from({ length: newest }, (_, index) => index + 1),
        );
        for (const told of [commits, elsewhere]) {
          const revisions = told.map(({ revision }) => revision);
          expect(revisions).toEqual([...new Set(revisions)].sort((a, b) => a - b));
        }
        const all = [...commits, ...elsewhere].sort((a, b) => a.revision - b.revision);
        expect(all).toStrictEqual(replayed);
      }),
      { numRuns: 15 },
    );
  });
});

function run(store: Store, steps: readonly string[], nextId: () => string): Promise<void> {
  return store.transaction(async (tx) => {
    for (const step of steps) {
      const id = nextId();
      switch (step) {
        case "operation":
          await tx.operations.insert(newOperation({ operationId: id }));
          break;
        case "service":
          await tx.services.insert(newService({ serviceId: id }));
          break;
        case "lease":
          await tx.leases.acquire(newClaim({ runId: id }));
          break;
        case "release":
          await tx.leases.deleteByWorkspace("w1");
          break;
        case "port":
          await tx.ports.release(4000);
          break;
        default:
          throw new Error("on purpose");
      }
    }
  });
}
