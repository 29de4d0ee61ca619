import type { Change, Resource, Subject } from "../model/change.ts";
import { fromJson, fromOptionalJson, optional } from "./json.ts";
import { newestRevision, readRevision } from "./revision.ts";
import type { ChangeTable } from "./schema.ts";
import type { Session } from "./session.ts";

export interface ChangeQueries {
  /** The newest revision; 0 before the first. */
  revision(): Promise<number>;
  /** The oldest revision whose change is still kept; the next one's when none is. */
  oldestRevision(): Promise<number>;
  /**
   * The changes after `revision`, oldest first, at most `limit`. Undefined when the first of them is
   * no longer kept, or `revision` lies ahead of the store.
   */
  since(revision: number, limit: number): Promise<Change[] | undefined>;
}

export function createChangeQueries(session: Session): ChangeQueries {
  return {
    revision: async () => (await session.query(newestRevision, {}))[0]?.value ?? 0,
    oldestRevision: () =>
      session.read(async (db) => {
        const { oldest, newest } = await db
          .selectFrom("revision")
          .select((eb) => [
            "value as newest",
            eb
              .selectFrom("changes")
              .select(({ fn }) => fn.min("changes.revision").as("oldest"))
              .as("oldest"),
          ])
          .executeTakeFirstOrThrow();
        return oldest ?? newest + 1;
      }),
    since: (revision, limit) =>
      session.read(async (db) => {
        const rows = await db
          .selectFrom("changes")
          .selectAll()
          .where("revision", ">", revision)
          .orderBy("revision")
          .limit(limit)
          .execute();
        const first = rows[0];
        if (first !== undefined) {
          return first.revision === revision + 1 ? rows.map(fromRow) : undefined;
        }
        // Read later than the rows: one that came in between is for the next call.
        return (await readRevision(db)) >= revision ? [] : undefined;
      }),
  };
}

function fromRow(row: ChangeTable): Change {
  return {
    revision: row.revision,
    type: row.type as Change["type"],
    ...optional("previous", fromOptionalJson<Subject>(row.previous)),
    kind: row.kind,
    resource: fromJson(row.resource),
  } as Change & Resource;
}
