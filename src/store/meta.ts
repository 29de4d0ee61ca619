import { randomUUID } from "node:crypto";
import type { Session } from "./session.ts";

const GENERATION = "generation";

/**
 * The id that this database was given when it was first opened: what tells its cursors from those
 * of another, whatever their revisions.
 */
export async function readGeneration(session: Session): Promise<string> {
  return session.write(async ({ db }) => {
    const query = db.selectFrom("meta").select("value").where("key", "=", GENERATION);
    const known = await query.executeTakeFirst();
    if (known !== undefined) return known.value;
    const value = randomUUID();
    await db.insertInto("meta").values({ key: GENERATION, value }).execute();
    return value;
  });
}
