import type { Kysely } from "kysely";
import type { Migration } from "kysely/migration";
import { Migrator } from "kysely/migration";
import { RuntimeError } from "../errors.ts";
import type { Database } from "./database.ts";
import type { Dialect } from "./dialect.ts";
import { createInitialMigration } from "./migrations/0001_initial.ts";
import { adapterTypeMigration } from "./migrations/0002_adapter_type.ts";

const MIGRATION_TABLE = "migrations";
const MIGRATION_LOCK_TABLE = "migration_lock";

/**
 * Brings the schema up to this version's. A schema with a migration that this version does not
 * know is left alone: STORE_UNAVAILABLE, with what to do.
 */
export async function migrate(database: Database): Promise<void> {
  const { db, dialect, schema } = database;
  const migrations = listMigrations(dialect);
  const migrator = new Migrator({
    db,
    provider: { getMigrations: async () => migrations },
    migrationTableName: MIGRATION_TABLE,
    migrationLockTableName: MIGRATION_LOCK_TABLE,
    ...(schema === undefined ? {} : { migrationTableSchema: schema }),
  });
  await refuseNewerSchema(database, Object.keys(migrations));
  const { error } = await migrator.migrateToLatest();
  if (error !== undefined) throw error;
}

/** In the order of their names; a released one never changes again. */
function listMigrations({ columns }: Dialect): Record<string, Migration> {
  return {
    "0001_initial": createInitialMigration(columns),
    "0002_adapter_type": adapterTypeMigration,
  };
}

async function refuseNewerSchema(
  { db, schema }: Database,
  known: readonly string[],
): Promise<void> {
  const tables = await db.introspection.getTables({ withInternalKyselyTables: true });
  const isOurs = (table: { name: string; schema?: string }) =>
    table.name === MIGRATION_TABLE && (schema === undefined || table.schema === schema);
  if (!tables.some(isOurs)) return;

  const applied = await (db as unknown as Kysely<{ [MIGRATION_TABLE]: { name: string } }>)
    .selectFrom(MIGRATION_TABLE)
    .select("name")
    .orderBy("name")
    .execute();
  const unknown = applied.map(({ name }) => name).filter((name) => !known.includes(name));
  if (unknown.length === 0) return;
  throw new RuntimeError(
    "STORE_UNAVAILABLE",
    `The store was written by a newer version of workspace-runtime: it has schema ${unknown.at(-1)}, and this version knows none after ${known.at(-1)}. Nothing was changed. Run that version or a later one, or use another data directory or database.`,
  );
}
