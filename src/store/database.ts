import { DatabaseSync } from "node:sqlite";
import { Kysely } from "kysely";
import { RuntimeError } from "../errors.ts";
import type { Dialect } from "./dialect.ts";
import { postgresDialect, sqliteDialect } from "./dialect.ts";
import { NodeSqliteDialect } from "./node-sqlite-dialect.ts";
import { createPrivateFile } from "./private-file.ts";
import type { Schema } from "./schema.ts";
import { SchemaPostgresDialect } from "./schema-postgres-dialect.ts";
import { fromSqlite } from "./store-errors.ts";

/** Where the rows are kept. */
export type DatabaseLocation =
  | { readonly kind: "sqlite"; readonly path: string }
  | {
      readonly kind: "postgres";
      readonly url: string;
      /** The PostgreSQL schema of our tables, made if missing. Default "workspace_runtime". */
      readonly schema?: string;
    };

export interface Database {
  readonly db: Kysely<Schema>;
  readonly dialect: Dialect;
  /** The PostgreSQL schema of our tables. */
  readonly schema?: string;
  /** Reads at once what has been committed; undefined when it cannot. SQLite's alone. */
  readIdle?<R>(sql: string, parameters: readonly unknown[]): R[] | undefined;
}

/** Opens without looking at what is inside. A PostgreSQL is first reached by the first query. */
export async function openDatabase(location: DatabaseLocation): Promise<Database> {
  if (location.kind === "sqlite") {
    const dialect = new NodeSqliteDialect(openSqlite(location.path));
    return {
      db: new Kysely<Schema>({ dialect }),
      dialect: sqliteDialect,
      readIdle: (sql, parameters) => dialect.readIdle(sql, parameters),
    };
  }
  // Whoever uses SQLite does not pay for it in memory.
  const { createPostgresPool } = await import("./postgres-pool.ts");
  const schema = location.schema ?? "workspace_runtime";
  const pool = createPostgresPool(location.url, schema);
  const db = new Kysely<Schema>({ dialect: new SchemaPostgresDialect(pool, schema) });
  return { db, dialect: postgresDialect, schema };
}

/** For whoever else opens the file, such as a backup. The wait stops the whole process: be short. */
const BUSY_TIMEOUT_MS = 1_000;

function openSqlite(path: string): DatabaseSync {
  let database: DatabaseSync | undefined;
  try {
    // SQLite gives its side files the mode of the database, and would make that world-readable.
    createPrivateFile(path);
    database = new DatabaseSync(path, {
      timeout: BUSY_TIMEOUT_MS,
      enableForeignKeyConstraints: true,
    });
    database.exec("pragma journal_mode = wal; pragma synchronous = normal");
    return database;
  } catch (error) {
    database?.close();
    const known = fromSqlite(error);
    if (!(known instanceof RuntimeError)) throw error;
    throw new RuntimeError(
      known.reason,
      `Cannot open ${path}: ${known.message}. Nothing was changed. Restore the file from a backup, or move it away to begin with an empty store.`,
      { metadata: { path }, cause: error },
    );
  }
}
