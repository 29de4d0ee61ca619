import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite";
import type {
  CompiledQuery,
  DatabaseConnection,
  DatabaseIntrospector,
  Dialect,
  Driver,
  Kysely,
  QueryCompiler,
  QueryResult,
  TransactionSettings,
} from "kysely";
import { SqliteAdapter, SqliteIntrospector, SqliteQueryCompiler } from "kysely";
import { fromSqlite } from "./store-errors.ts";

/**
 * Kysely on Node's own SQLite. One connection, which Kysely hands to one user at a time; every
 * statement is prepared once and kept. Errors come out as `fromSqlite` makes them.
 */
export class NodeSqliteDialect implements Dialect {
  readonly #driver: NodeSqliteDriver;

  constructor(database: DatabaseSync) {
    this.#driver = new NodeSqliteDriver(database);
  }

  createDriver(): Driver {
    return this.#driver;
  }

  /**
   * The rows of a query, read at once and past Kysely, whose way to the one connection costs more than a
   * small query does; undefined while somebody has the connection, in a transaction perhaps.
   */
  readIdle<R>(sql: string, parameters: readonly unknown[]): R[] | undefined {
    return this.#driver.readIdle(sql, parameters);
  }

  createQueryCompiler(): QueryCompiler {
    return new SqliteQueryCompiler();
  }

  createAdapter(): SqliteAdapter {
    return new TransactionalSqliteAdapter();
  }

  createIntrospector(db: Kysely<unknown>): DatabaseIntrospector {
    return new SqliteIntrospector(db);
  }
}

/** A migration that is cut off must leave nothing: SQLite's DDL is as transactional as its rows. */
class TransactionalSqliteAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true;
  }
}

class NodeSqliteDriver implements Driver {
  readonly #database: DatabaseSync;
  readonly #connection: NodeSqliteConnection;
  #isTaken = false;

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#connection = new NodeSqliteConnection(database);
  }

  async init(): Promise<void> {}

  readIdle<R>(sql: string, parameters: readonly unknown[]): R[] | undefined {
    return this.#isTaken || !this.#database.isOpen
      ? undefined
      : this.#connection.read(sql, parameters);
  }

  /** One at a time: Kysely sees to that, since the adapter says that there is one connection. */
  async acquireConnection(): Promise<DatabaseConnection> {
    this.#isTaken = true;
    return this.#connection;
  }

  async beginTransaction(_: DatabaseConnection, settings: TransactionSettings): Promise<void> {
    // A deferred one that reads before it writes cannot wait for the lock: it fails as BUSY.
    this.#connection.run(settings.accessMode === "read only" ? "begin" : "begin immediate");
  }

  async commitTransaction(): Promise<void> {
    this.#connection.run("commit");
  }

  async rollbackTransaction(): Promise<void> {
    // A full disk makes SQLite roll back by itself; there is nothing left to undo then.
    if (this.#database.isTransaction) this.#connection.run("rollback");
  }

  async releaseConnection(): Promise<void> {
    this.#isTaken = false;
  }

  async destroy(): Promise<void> {
    this.#connection.forgetStatements();
    if (this.#database.isOpen) this.#database.close();
  }
}

/** Queries differ by their filters, so their texts are many, but few of them are frequent. */
const KEPT_STATEMENTS = 200;

class NodeSqliteConnection implements DatabaseConnection {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, PreparedStatement>();

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  async executeQuery<R>({ sql, parameters }: CompiledQuery): Promise<QueryResult<R>> {
    try {
      const { statement, returnsRows } = this.#prepare(sql);
      const values = parameters.map(toSqliteValue);
      if (returnsRows) return { rows: statement.all(...values) as R[] };
      return { rows: [], numAffectedRows: BigInt(statement.run(...values).changes) };
    } catch (error) {
      throw fromSqlite(error);
    }
  }

  // biome-ignore lint/correctness/useYield: the interface wants it, and no query of ours streams.
  async *streamQuery<R>(): AsyncIterableIterator<QueryResult<R>> {
    throw new Error("streaming is not supported");
  }

  read<R>(sql: string, parameters: readonly unknown[]): R[] {
    try {
      return this.#prepare(sql).statement.all(...parameters.map(toSqliteValue)) as R[];
    } catch (error) {
      throw fromSqlite(error);
    }
  }

  run(sql: string): void {
    try {
      this.#prepare(sql).statement.run();
    } catch (error) {
      throw fromSqlite(error);
    }
  }

  forgetStatements(): void {
    this.#statements.clear();
  }

  #prepare(sql: string): PreparedStatement {
    const known = this.#statements.get(sql);
    if (known !== undefined) {
      this.#statements.delete(sql);
      this.#statements.set(sql, known);
      return known;
    }
    const statement = this.#database.prepare(sql);
    const prepared = { statement, returnsRows: statement.columns().length > 0 };
    this.#statements.set(sql, prepared);
    if (this.#statements.size > KEPT_STATEMENTS) {
      const [oldest] = this.#statements.keys();
      if (oldest !== undefined) this.#statements.delete(oldest);
    }
    return prepared;
  }
}

interface PreparedStatement {
  readonly statement: StatementSync;
  readonly returnsRows: boolean;
}

function toSqliteValue(value: unknown): SQLInputValue {
  if (typeof value === "boolean") return value ? 1 : 0;
  return value as SQLInputValue;
}
