import { afterEach, beforeEach } from "vitest";
import type { Change } from "../../src/model/change.ts";
import type { Store, StoreOptions } from "../../src/store/store.ts";
import { openStore } from "../../src/store/store.ts";
import { createManualClock, type ManualClock } from "../logs/support/manual-clock.ts";
import type { databases, TestDatabase } from "../support/databases.ts";

/** What each test of a suite finds: an open store, empty, with a clock that it moves. */
export interface StoreFixture {
  readonly store: Store;
  readonly clock: ManualClock;
  /** All that `onCommit` was told, in its order. */
  readonly commits: Change[];
  readonly database: TestDatabase;
  /** Another store on the same database, as a second server or the next one has it. */
  open(options?: Partial<StoreOptions>): Promise<Store>;
}

/** Gives every test of the suite around it a store of its own, and closes all that it opened. */
export function useStore(
  { create }: (typeof databases)[number],
  options: Partial<StoreOptions> = {},
): () => StoreFixture {
  let fixture: StoreFixture | undefined;
  const opened: Store[] = [];

  beforeEach(async () => {
    const clock = createManualClock();
    const commits: Change[] = [];
    const database = await create();
    const open = async (more: Partial<StoreOptions> = {}) => {
      const { location } = database;
      const store = await openStore({ database: location, nodeId: "n1", clock, ...more });
      opened.push(store);
      return store;
    };
    const onCommit = (changes: readonly Change[]) => void commits.push(...changes);
    const store = await open({ onCommit, ...options });
    fixture = { store, clock, commits, database, open };
  });

  afterEach(async () => {
    await Promise.all(opened.splice(0).map((store) => store.close()));
    await fixture?.database.remove();
    fixture = undefined;
  });

  return () => {
    if (fixture === undefined) throw new Error("no test is running");
    return fixture;
  };
}
