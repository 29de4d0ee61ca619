import { AsyncLocalStorage } from "node:async_hooks";
import type { Clock } from "../clock.ts";
import type { Change } from "../model/change.ts";
import type { Database } from "./database.ts";
import type { Dialect } from "./dialect.ts";
import { createMutex } from "./mutex.ts";
import { lockRevision, writeChanges } from "./revision.ts";
import type { Db } from "./schema.ts";
import { storeUnavailable } from "./store-errors.ts";

/** What queries run in: the store itself, or one of its transactions. */
export interface Session {
  readonly clock: Clock;
  readonly dialect: Dialect;
  /** Whose rows this server's are. */
  readonly nodeId: string;
  read<T>(work: (db: Db) => Promise<T>): Promise<T>;
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

export function createSession(options: SessionOptions): RootSession {
  const { clock, nodeId, retainedChanges, onCommit } = options;
  const { db, dialect } = options.database;
  const common = { clock, dialect, nodeId };
  // The database lets one writer in at a time; here they queue without a connection each, and
  // `onCommit` hears of them in the order of their revisions.
  const writers = createMutex();
  const ambient = new AsyncLocalStorage<{ open: boolean }>();
  let closed = false;

  return { ...common, read, write, snapshot, close };

  async function read<T>(work: (db: Db) => Promise<T>): Promise<T> {
    refuseInside();
    refuseClosed();
    return work(db);
  }

  async function write<T>(work: (tx: WriteSession) => Promise<T>): Promise<T> {
    refuseInside();
    const release = await writers.acquire();
    try {
      refuseClosed();
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
            read: (readWork) => readWork(trx),
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
      read: (work) => work(trx),
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
