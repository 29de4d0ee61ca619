import type { Hub } from "../events/hub.ts";
import type { Change } from "../model/change.ts";
import type { Store } from "../store/store.ts";

/** Reads the changes on from one revision; holds nothing but that. */
export interface ChangeFeed {
  /** The next ones, none if there are none. Undefined: some are no longer kept, begin anew. */
  next(): Promise<readonly Change[] | undefined>;
  /** Asks the store itself the next time: another server may have committed what this one did not hear of. */
  distrust(): void;
}

const READ_SIZE = 1_000;

export function createChangeFeed(
  store: Pick<Store, "changes">,
  hub: Hub,
  after: number,
): ChangeFeed {
  let revision = after;
  let isTrusted = true;
  return {
    async next() {
      const kept = isTrusted ? hub.since(revision, READ_SIZE) : undefined;
      const changes = kept ?? (await store.changes.since(revision, READ_SIZE));
      isTrusted = true;
      revision = changes?.at(-1)?.revision ?? revision;
      return changes;
    },
    distrust() {
      isTrusted = false;
    },
  };
}
