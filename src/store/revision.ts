import type { Change } from "../model/change.ts";
import { idOf } from "../model/change.ts";
import type { Dialect } from "./dialect.ts";
import { prepareQuery } from "./prepared.ts";
import type { Db } from "./schema.ts";

/** How many changes are passed before old ones are deleted, so that not every write pays for it. */
const TRIM_INTERVAL = 200;

/** Its one row has the newest committed revision; 0 for an empty store. */
export const newestRevision = prepareQuery([], ({ db }) =>
  db.selectFrom("revision").select("value"),
);

/** The newest committed revision; 0 for an empty store. */
export async function readRevision(db: Db): Promise<number> {
  const { value } = await db.selectFrom("revision").select("value").executeTakeFirstOrThrow();
  return value;
}

/**
 * Reads the revision and holds every other writer off until the transaction ends: so revisions
 * commit in their order, and what a transaction has read stays true while it writes.
 */
export async function lockRevision(trx: Db, dialect: Dialect): Promise<number> {
  const { value } = await trx
    .selectFrom("revision")
    .select("value")
    .modifyEnd(dialect.lockRow)
    .executeTakeFirstOrThrow();
  return value;
}

/** A statement takes 32,766 values in SQLite: at the start of a server thousands of leases are renewed in one transaction. */
const ROWS_A_STATEMENT = 500;

/** Writes a transaction's changes and the last of their revisions; keeps the newest `retained`. */
export async function writeChanges(
  trx: Db,
  changes: readonly Change[],
  retained: number,
): Promise<void> {
  const first = changes[0];
  const last = changes.at(-1);
  if (first === undefined || last === undefined) return;
  for (let begun = 0; begun < changes.length; begun += ROWS_A_STATEMENT) {
    const rows = changes.slice(begun, begun + ROWS_A_STATEMENT).map(rowOf);
    await trx.insertInto("changes").values(rows).execute();
  }
  await trx.updateTable("revision").set({ value: last.revision }).execute();

  const isTrimDue =
    Math.floor(last.revision / TRIM_INTERVAL) > Math.floor((first.revision - 1) / TRIM_INTERVAL);
  if (isTrimDue) {
    await trx
      .deleteFrom("changes")
      .where("revision", "<=", last.revision - retained)
      .execute();
  }
}

function rowOf(change: Change) {
  return {
    revision: change.revision,
    type: change.type,
    kind: change.kind,
    resource_id: idOf(change),
    company_id: change.resource.companyId,
    resource: JSON.stringify(change.resource),
    previous: change.previous === undefined ? null : JSON.stringify(change.previous),
  };
}
