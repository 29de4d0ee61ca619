import type { ColumnDataType, Expression, RawBuilder } from "kysely";
import { sql } from "kysely";

/** The two databases as queries and migrations differ on them: everything that differs is here. */
export interface Dialect {
  readonly kind: "sqlite" | "postgres";
  readonly columns: ColumnTypes;
  /** What makes a `select` of the revision also lock it until the transaction ends. */
  readonly lockRow: RawBuilder<unknown>;
  /** The texts of a column's rows as one JSON array, for a scalar subquery. */
  jsonArray(column: Expression<string>): RawBuilder<string>;
  /** Whether a column of labels has this value under this key. */
  hasLabel(column: Expression<string>, key: string, value: string): RawBuilder<boolean>;
}

export interface ColumnTypes {
  /** Ids order pages: the same way on both, whatever the server's locale. */
  readonly id: "text" | RawBuilder<unknown>;
  /** Kept letter for letter: `jsonb` would refuse the NUL of a process's output. */
  readonly json: ColumnDataType;
  readonly labels: ColumnDataType;
}

export const sqliteDialect: Dialect = {
  kind: "sqlite",
  columns: { id: "text", json: "text", labels: "text" },
  // `begin immediate` has locked the whole file already.
  lockRow: sql``,
  jsonArray: (column) => sql<string>`json_group_array(${column})`,
  hasLabel: (column, key, value) =>
    sql<boolean>`exists (select 1 from json_each(${column}) as label
      where label.key = ${key} and label.value = ${value})`,
};

export const postgresDialect: Dialect = {
  kind: "postgres",
  columns: { id: sql`text collate "C"`, json: "json", labels: "jsonb" },
  lockRow: sql`for update`,
  jsonArray: (column) => sql<string>`coalesce(json_agg(${column}), '[]')`,
  hasLabel: (column, key, value) => sql<boolean>`${column} ->> ${key} = ${value}`,
};
