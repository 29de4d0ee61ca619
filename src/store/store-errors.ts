import { RuntimeError } from "../errors.ts";

/** SQLite's primary result codes that callers can act on. */
const SQLITE_BUSY = 5;
const SQLITE_LOCKED = 6;
const SQLITE_READONLY = 8;
const SQLITE_IOERR = 10;
const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;
const SQLITE_CANTOPEN = 14;
const SQLITE_NOTADB = 26;
/** The shared memory beside the file could not grow: a full disk, seen from the WAL. */
const SQLITE_IOERR_SHMSIZE = 4874;

/** Turns an error of `node:sqlite` into the domain's; what is a bug of ours stays as it is. */
export function fromSqlite(error: unknown): unknown {
  const code = (error as { errcode?: unknown } | null)?.errcode;
  if (typeof code !== "number") {
    return isClosedSqlite(error) ? storeUnavailable("the store is closed", error) : error;
  }
  if (code === SQLITE_IOERR_SHMSIZE) return storageFull(error);
  switch (code & 0xff) {
    case SQLITE_FULL:
      return storageFull(error);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return storeUnavailable("the database is locked by another process", error);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return storeUnavailable("the database file is damaged or is no SQLite database", error);
    case SQLITE_READONLY:
      return storeUnavailable("the database file cannot be written", error);
    case SQLITE_CANTOPEN:
    case SQLITE_IOERR:
      return storeUnavailable("the database file cannot be read or written", error);
    default:
      return error;
  }
}

/**
 * Turns an error of `pg` into the domain's. An error that the server did not send is a lost or
 * never made connection.
 */
export function fromPostgres(error: unknown): unknown {
  const code = (error as { code?: unknown; severity?: unknown } | null)?.code;
  const fromServer = (error as { severity?: unknown } | null)?.severity !== undefined;
  if (!fromServer || typeof code !== "string") {
    return storeUnavailable("the database cannot be reached", error);
  }
  if (code === "53100") return storageFull(error);
  if (code === "25006") return storeUnavailable("the database is read-only", error);
  if (POSTGRES_UNAVAILABLE.some((prefix) => code.startsWith(prefix))) {
    return storeUnavailable("the database is not available", error);
  }
  return error;
}

/**
 * Connection failures, too many connections or no memory, shutdown and start-up, cancelled by a
 * timeout, lock not had in time, idle in a transaction, serialization failure and deadlock, its own disk.
 */
const POSTGRES_UNAVAILABLE = ["08", "53", "57", "55P03", "25P0", "40", "58"];

export function storeUnavailable(message: string, cause?: unknown): RuntimeError {
  return new RuntimeError("STORE_UNAVAILABLE", message, { cause });
}

function storageFull(cause: unknown): RuntimeError {
  return new RuntimeError("STORAGE_FULL", "no space left for the database", { cause });
}

function isClosedSqlite(error: unknown): boolean {
  return (error as { code?: unknown } | null)?.code === "ERR_INVALID_STATE";
}
