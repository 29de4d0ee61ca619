import type { Clock } from "../clock.ts";
import type { Workspace } from "../model/workspace.ts";
import type { Store } from "../store/store.ts";
import { type Outcome, saveWorkspace } from "./save.ts";
import type { Wanted } from "./wanted.ts";

/** The row of a workspace while it is being realized: intent before the world, outcome after. */
export interface RowDraft {
  readonly facts: Outcome;
  /** Takes note; written with the next begin, finish or fail. */
  note(facts: Partial<Outcome>): void;
  /** Says PROVISIONING, and tells those who wait for no more than that. */
  begin(facts?: Partial<Outcome>): Promise<void>;
  finish(facts: Partial<Outcome>): Promise<Workspace>;
  /** Says FAILED and why, if it ever said PROVISIONING; else the row stays as it was, or none. */
  fail(error: Error, facts: () => Promise<Partial<Outcome>>): Promise<void>;
}

export interface RowDraftOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly workspaceId: string;
  readonly wanted: Wanted;
  readonly facts: Omit<Outcome, "state">;
  readonly begun: (workspace: Workspace) => void;
}

export function createRowDraft(options: RowDraftOptions): RowDraft {
  const { store, clock, workspaceId, wanted, begun } = options;
  let facts: Outcome = { ...options.facts, state: "PROVISIONING" };
  let hasBegun = false;
  const save = (changes: Partial<Outcome>) => {
    facts = { ...facts, ...changes };
    return saveWorkspace(store, clock.now(), workspaceId, wanted, facts);
  };
  return {
    get facts() {
      return facts;
    },
    note(changes) {
      facts = { ...facts, ...changes };
    },
    async begin(changes = {}) {
      const workspace = await save({ ...changes, state: "PROVISIONING" });
      hasBegun = true;
      begun(workspace);
    },
    finish: (changes) => save({ ...changes, state: "ACTIVE", stateMessage: "" }),
    async fail(error, changes) {
      if (!hasBegun) return;
      const found = await changes().catch(() => ({}));
      await save({ ...found, state: "FAILED", stateMessage: error.message });
    },
  };
}
