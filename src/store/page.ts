import type { SelectQueryBuilder } from "kysely";
import { sql } from "kysely";
import { invalidField } from "../errors.ts";
import type { Page, PageRequest } from "../model/page.ts";
import { readRevision } from "./revision.ts";
import type { Db, Schema } from "./schema.ts";
import type { Session } from "./session.ts";

const DEFAULT_PAGE_SIZE = 50;
const LARGEST_PAGE_SIZE = 500;

/** How a table is paged: newest first by `time`, then by `id`. Both are column names. */
export interface PageOrder {
  readonly time: string;
  readonly id: string;
}

/**
 * One page of what `select` builds, plus the revision that it was read at. INVALID_FIELD for a
 * token that no page gave out.
 */
export async function readPage<Row, T>(
  session: Session,
  { pageSize, pageToken }: PageRequest,
  order: PageOrder,
  // biome-ignore lint/suspicious/noExplicitAny: the tables that a query joins are its own affair.
  select: (db: Db) => SelectQueryBuilder<Schema, any, Row>,
  toRecord: (row: Row) => T,
): Promise<Page<T>> {
  const size = pageSize === 0 ? DEFAULT_PAGE_SIZE : Math.min(pageSize, LARGEST_PAGE_SIZE);
  const after = pageToken === "" ? undefined : decodePageToken(pageToken);
  const position = sql`(${sql.ref(order.time)}, ${sql.ref(order.id)})`;
  return session.read(async (db) => {
    // Before the rows: a watch from here may see a row's change again, but misses none.
    const revision = await readRevision(db);
    const rows = await select(db)
      .$if(after !== undefined, (query) =>
        query.where(sql<boolean>`${position} < (${after?.time}, ${after?.id})`),
      )
      .orderBy(sql.ref(order.time), "desc")
      .orderBy(sql.ref(order.id), "desc")
      .limit(size + 1)
      .execute();
    const last = rows.length > size ? rows[size - 1] : undefined;
    return {
      items: rows.slice(0, size).map(toRecord),
      nextPageToken: last === undefined ? "" : encodePageToken(last, order),
      revision,
    };
  });
}

function encodePageToken(row: unknown, { time, id }: PageOrder): string {
  const values = row as Record<string, unknown>;
  return Buffer.from(JSON.stringify([values[time], values[id]])).toString("base64url");
}

function decodePageToken(token: string): { time: number; id: string } {
  try {
    const [time, id]: unknown[] = JSON.parse(Buffer.from(token, "base64url").toString());
    if (Number.isSafeInteger(time) && typeof id === "string") return { time: time as number, id };
  } catch {
    // Not ours: said below.
  }
  throw invalidField("page_token", "is not the next_page_token of an earlier page");
}
