import type { Kysely } from "kysely";
import type { Migration } from "kysely/migration";

/** Services that adapters report: each row says whose it is. NULL for a process of this server. */
export const adapterTypeMigration: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await db.schema.alterTable("services").addColumn("adapter_type", "text").execute();
  },
};
