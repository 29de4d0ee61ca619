import { AsyncLocalStorage } from "node:async_hooks";
import type { Clock } from "../clock.ts";
import { isRuntimeError } from "../errors.ts";
import type { Change } from "../model/change.ts";
import type { Database } from "./database.ts";
import type { Dialect } from "./dialect.ts";
import { createMutex } from "./mutex.ts";
import type { PreparedQuery } from "./prepared.ts";
import { lockRevision, writeChanges } from "./revision.ts";
import type { Db } from "./schema.ts";
import { createServiceCache, type ServiceCache } from "./service-cache.ts";
import { storeUnavailable } from "./store-errors.ts";

/** What queries run in: the store itself, or one of its transactions. */
export interface Session {
  readonly clock: Clock;
  readonly dialect: Dialect;
  /** Whose rows this server's are. */
  readonly nodeId: string;
  readonly services: ServiceCache;
  /** What is read here is committed; within a transaction it may yet be rolled back. */
  readonly readsCommitted: boolean;
  read<T>(work: (db: Db) => Promise<T>): Promise<T>;
  query<Values, Row>(query: PreparedQuery<Values, Row>, values: Values): Promise<Row[]>;
  /** In a transaction: this one, or else one of its own. */
  write<T>(work: (tx: WriteSession) => Promise<T>): Promise<T>;
}

/** An open transaction. It is alone: no other writer comes between its first statement and its end. */
export interface WriteSession extends Session {
  readonly db: Db;
  /** The revision that the next recorded change will have. */
  nextRevision(): number;
  /** Takes the next revision, which the change must carry; changes are written with the commit. */
  record(change: Change): void;
}

export interface RootSession extends Session {
  /** One consistent view of all tables, without holding writers off. */
  snapshot<T>(read: (session: Session) => Promise<T>): Promise<T>;
  /** Waits for what is running; every later call fails with STORE_UNAVAILABLE. */
  close(): Promise<void>;
}

export interface SessionOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly nodeId: string;
  readonly retainedChanges: number;
  readonly onCommit: (changes: readonly Change[]) => void;
}

/** A writer that failed after so long has failed for all that queue behind it. */
const IN_VAIN_MS = 1_000;

export function createSession(options: SessionOptions): RootSession {
  const { clock, nodeId, retainedChanges, onCommit } = options;
  const { db, dialect } = options.database;
  const common = { clock, dialect, nodeId, services: createServiceCache() };
  // The database lets one writer in at a time; here they queue without a connection each, and
  // `onCommit` hears of them in the order of their revisions.
  const writers = createMutex();
  /** Those that queue now, with what the one before them was told after a long wait. */
  let queue: { failure?: unknown } = {};
  const ambient = new AsyncLocalStorage<{ open: boolean }>();
  let closed = false;

  return { ...common, readsCommitted: true, read, query, write, snapshot, close };

  async function read<T>(work: (db: Db) => Promise<T>): Promise<T> {
    refuseInside();
    refuseClosed();
    return work(db);
  }

  async function query<Values, Row>(prepared: PreparedQuery<Values, Row>, values: Values) {
    refuseInside();
    refuseClosed();
    const { sql, parameters } = prepared.compile({ db, dialect }, values);
    return (
      options.database.readIdle?.<Row>(sql, parameters) ?? prepared.run({ db, dialect }, values)
    );
  }

  async function write<T>(work: (tx: WriteSession) => Promise<T>): Promise<T> {
    refuseInside();
    const mine = queue;
    const release = await writers.acquire();
    const began = clock.monotonic();
    try {
      refuseClosed();
      // A lock that was not had in 5 s: or the tenth in the queue would wait for 50.
      if (mine.failure !== undefined) throw mine.failure;
      const { result, changes } = await inside(() =>
        db.transaction().execute(async (trx) => {
          const tx = openWriteSession(trx, await lockRevision(trx, dialect));
          const result = await work(tx);
          await writeChanges(trx, tx.changes, retainedChanges);
          return { result, changes: tx.changes };
        }),
      );
      if (changes.length > 0) onCommit(changes);
      return result;
    } catch (error) {
      const inVain = clock.monotonic() - began > IN_VAIN_MS;
      if (inVain && isRuntimeError(error, "STORE_UNAVAILABLE")) {
        mine.failure = error;
        queue = {};
      }
      throw error;
    } finally {
      release();
    }
  }

  async function snapshot<T>(work: (session: Session) => Promise<T>): Promise<T> {
    refuseInside();
    refuseClosed();
    return inside(() =>
      db
        .transaction()
        .setAccessMode("read only")
        .setIsolationLevel("repeatable read")
        .execute((trx) =>
          work({
            ...common,
            readsCommitted: true,
            read: (readWork) => readWork(trx),
            query: (prepared, values) => prepared.run({ db: trx, dialect }, values),
            write: () => Promise.reject(new Error("a snapshot only reads")),
          }),
        ),
    );
  }

  async function close(): Promise<void> {
    const release = await writers.acquire();
    closed = true;
    release();
    await db.destroy();
  }

  function refuseClosed(): void {
    if (closed) throw storeUnavailable("the store is closed");
  }

  function openWriteSession(trx: Db, revision: number) {
    const changes: Change[] = [];
    const tx: WriteSession & { readonly changes: Change[] } = {
      ...common,
      db: trx,
      changes,
      nextRevision: () => revision + changes.length + 1,
      record: (change) => void changes.push(change),
      readsCommitted: false,
      read: (work) => work(trx),
      query: (prepared, values) => prepared.run({ db: trx, dialect }, values),
      write: (work) => work(tx),
    };
    return tx;
  }

  /** A transaction that waits for the store waits for itself. */
  function refuseInside(): void {
    if (ambient.getStore()?.open) {
      throw new Error(
        "the store was used inside its own transaction: use the transaction's queries",
      );
    }
  }

  async function inside<T>(work: () => Promise<T>): Promise<T> {
    const mark = { open: true };
    try {
      return await ambient.run(mark, work);
    } finally {
      mark.open = false;
    }
  }
}
