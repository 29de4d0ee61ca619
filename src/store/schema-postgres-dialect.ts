import type {
  DatabaseIntrospector,
  Kysely,
  PostgresPool,
  SchemaMetadata,
  TableMetadata,
} from "kysely";
import { PostgresDialect } from "kysely";

/**
 * PostgreSQL seen through one schema. Kysely's own introspector reads every table of every schema,
 * and fails when an unrelated one is dropped meanwhile: in a shared database that is others' doing.
 */
export class SchemaPostgresDialect extends PostgresDialect {
  readonly #schema: string;

  constructor(pool: PostgresPool, schema: string) {
    super({ pool });
    this.#schema = schema;
  }

  override createIntrospector(db: Kysely<unknown>): DatabaseIntrospector {
    return new SchemaIntrospector(db as Kysely<Catalog>, this.#schema);
  }
}

interface Catalog {
  "pg_catalog.pg_namespace": { nspname: string };
  "pg_catalog.pg_tables": { schemaname: string; tablename: string };
}

/** What the migrator asks: which schemas and tables there are. It never asks for columns. */
class SchemaIntrospector implements DatabaseIntrospector {
  readonly #db: Kysely<Catalog>;
  readonly #schema: string;

  constructor(db: Kysely<Catalog>, schema: string) {
    this.#db = db;
    this.#schema = schema;
  }

  async getSchemas(): Promise<SchemaMetadata[]> {
    const query = this.#db.selectFrom("pg_catalog.pg_namespace").select("nspname as name");
    return query.execute();
  }

  async getTables(): Promise<TableMetadata[]> {
    const rows = await this.#db
      .selectFrom("pg_catalog.pg_tables")
      .select("tablename as name")
      .where("schemaname", "=", this.#schema)
      .execute();
    const plain = { schema: this.#schema, isView: false, isForeign: false, columns: [] };
    return rows.map(({ name }) => ({ name, ...plain }));
  }

  async getMetadata(): Promise<{ tables: TableMetadata[] }> {
    return { tables: await this.getTables() };
  }
}
