import type { Change } from "../model/change.ts";
import { idOf } from "../model/change.ts";

export interface Folded {
  /** Each resource's newest change, in the order of revisions. */
  readonly changes: readonly Change[];
  /** Up to which revision they tell what happened. */
  readonly revision: number;
}

/**
 * Folds the first of `changes`, as many as tell of no more than `limit` resources. A folded change
 * has the `previous` of the first that went into it; what came and went in between is left out.
 */
export function fold(changes: readonly Change[], limit: number): Folded {
  const newest = new Map<string, Change>();
  let revision = 0;
  for (const change of changes) {
    const key = `${change.kind} ${idOf(change)}`;
    const earlier = newest.get(key);
    if (earlier === undefined && newest.size === limit) break;
    // Deleted first: the map's order is the order of revisions then.
    newest.delete(key);
    newest.set(key, earlier === undefined ? change : withPreviousOf(earlier, change));
    revision = change.revision;
  }
  const told = [...newest.values()].filter(
    ({ type, previous }) => type === "UPSERTED" || previous !== undefined,
  );
  return { changes: told, revision };
}

function withPreviousOf(earlier: Change, change: Change): Change {
  const { previous: _, ...rest } = change;
  return earlier.previous === undefined ? rest : { ...rest, previous: earlier.previous };
}
