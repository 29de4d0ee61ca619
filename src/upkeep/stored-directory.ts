import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Supervisor } from "../supervisor/supervisor.ts";
import type { Tally } from "./garbage.ts";

/** What one service or one operation left on disk: its logs, and the shim's records of its instances. */
export interface StoredDirectory {
  readonly path: string;
  readonly instances: readonly string[];
}

/** A service has its instances in `instances/<n>`, an operation its only one in `process`. */
export async function readStoredDirectory(path: string): Promise<StoredDirectory> {
  const names = await namesIn(path);
  const numbers = names.includes("instances") ? await namesIn(join(path, "instances")) : [];
  const instances = [
    ...numbers.map((number) => join(path, "instances", number)),
    ...(names.includes("process") ? [join(path, "process")] : []),
  ];
  return { path, instances };
}

/** A process or its shim may live: its directory must not be taken from under it. */
export async function isInUse(
  { instances }: StoredDirectory,
  supervisor: Pick<Supervisor, "isInUse">,
): Promise<boolean> {
  for (const instance of instances) if (await supervisor.isInUse(instance)) return true;
  return false;
}

/** Counts all of it and, unless `dryRun`, removes it. */
export async function removeStoredDirectory(
  { path, instances }: StoredDirectory,
  dryRun: boolean,
  tally: Tally,
): Promise<void> {
  for (const name of ["stdout.log", "stderr.log"]) {
    const found = await stat(join(path, name)).catch(() => undefined);
    if (found === undefined) continue;
    tally.logFiles += 1;
    tally.logBytes += found.blocks * BLOCK_BYTES;
  }
  tally.instances += instances.length;
  if (!dryRun) await remove(path, tally);
}

/** The same for an instance alone, whose service goes on. */
export async function removeInstance(path: string, dryRun: boolean, tally: Tally): Promise<void> {
  tally.instances += 1;
  if (!dryRun) await remove(path, tally);
}

/** Empty where there is no such directory. */
export async function namesIn(path: string): Promise<string[]> {
  try {
    return await readdir(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return [];
    throw error;
  }
}

/** Of `stat`, whatever the file system's own. */
const BLOCK_BYTES = 512;

async function remove(path: string, tally: Tally): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
  } catch (error) {
    tally.warnings.push(`${path} could not be removed: ${(error as Error).message}.`);
  }
}
