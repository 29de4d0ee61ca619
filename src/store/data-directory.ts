import { randomUUID } from "node:crypto";
import {
  chmodSync,
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  statfsSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { lockDirectory } from "./directory-lock.ts";
import { networkFileSystem } from "./file-system-type.ts";
import { storeUnavailable } from "./store-errors.ts";

/** The directory that holds all that a server keeps, locked for this process. */
export interface DataDirectory {
  readonly path: string;
  /** Made once, for ever: what tells this installation's processes from every other's. */
  readonly installationId: string;
  /** Lets another server in; also done by the process's end, however it ends. */
  release(): void;
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * Makes the directory (0700) if it is missing, locks it and reads the installation id. Throws
 * STORE_UNAVAILABLE with what to do, and changes nothing, when another server has it, when it is on
 * a network file system, when it cannot be used, or when its installation id is damaged.
 */
export function openDataDirectory(path: string): DataDirectory {
  makePrivate(path);
  refuseNetworkFileSystem(path);
  const lock = lockDirectory(path);
  try {
    return { path, installationId: readInstallationId(path), release: lock.release };
  } catch (error) {
    lock.release();
    throw error;
  }
}

function makePrivate(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    if ((statSync(path).mode & 0o077) !== 0) chmodSync(path, 0o700);
  } catch (error) {
    throw storeUnavailable(
      `Cannot use ${path} as data directory: ${(error as Error).message}. It must be a directory of the user that runs the server; choose another with --data-dir.`,
      error,
    );
  }
}

/** Locks and FIFOs of a network file system hold on one machine or on none. */
function refuseNetworkFileSystem(path: string): void {
  const name = networkFileSystem(statfsSync(path).type);
  if (name === undefined) return;
  throw storeUnavailable(
    `The data directory ${path} is on a network file system (${name}), where locks and pipes cannot be trusted. Choose one on a local disk with --data-dir.`,
  );
}

function readInstallationId(directory: string): string {
  const path = join(directory, "installation-id");
  const id = readIfPresent(path) ?? writeOnce(path, randomUUID());
  if (UUID.test(id.trim())) return id.trim();
  throw storeUnavailable(
    `${path} is damaged: it does not hold an installation id. Nothing was changed. Restore it from a backup: services that still run are known by it. If none does, remove it and a new one is made.`,
  );
}

function readIfPresent(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw storeUnavailable(`Cannot read ${path}: ${(error as Error).message}.`, error);
  }
}

/** Whole or not at all, also when the power fails: an empty id file would bar the next start. */
function writeOnce(path: string, text: string): string {
  const unfinished = `${path}.${process.pid}`;
  const file = openSync(unfinished, "w", 0o600);
  try {
    writeFileSync(file, `${text}\n`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(unfinished, path);
  return text;
}
