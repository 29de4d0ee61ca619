import type { Db } from "./schema.ts";
import type { Session } from "./session.ts";

/** How long the result of a call with a request id answers the same call again. */
const KEPT_MS = 60 * 60 * 1000;

/** A call that is done once: unique per company and method. */
export interface RequestKey {
  readonly companyId: string;
  readonly method: string;
  readonly requestId: string;
}

/** Results of calls with a request id, kept for 1 h. `result` is text of JSON, the caller's own. */
export interface RequestQueries {
  find(key: RequestKey): Promise<string | undefined>;
  /** The first result of a key stays; results past their time go. */
  keep(key: RequestKey, result: string): Promise<void>;
  /** Lets go of results past their time. */
  expire(): Promise<void>;
}

export function createRequestQueries(session: Session): RequestQueries {
  return {
    find: ({ companyId, method, requestId }) =>
      session.read(async (db) => {
        const row = await db
          .selectFrom("requests")
          .select("result")
          .where("company_id", "=", companyId)
          .where("method", "=", method)
          .where("request_id", "=", requestId)
          .where("create_time", ">", session.clock.now() - KEPT_MS)
          .executeTakeFirst();
        return row?.result;
      }),
    keep: ({ companyId, method, requestId }, result) =>
      session.write(async ({ db, clock }) => {
        const now = clock.now();
        await deleteExpired(db, now);
        await db
          .insertInto("requests")
          .values({
            company_id: companyId,
            method,
            request_id: requestId,
            result,
            create_time: now,
          })
          .onConflict((conflict) => conflict.doNothing())
          .execute();
      }),
    expire: () => session.write(({ db, clock }) => deleteExpired(db, clock.now())),
  };
}

async function deleteExpired(db: Db, now: number): Promise<void> {
  await db
    .deleteFrom("requests")
    .where("create_time", "<=", now - KEPT_MS)
    .execute();
}
