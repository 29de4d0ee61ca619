import { findLive, isLocal } from "./identity.ts";
import { readClaim, readDrained, readExit, readInstanceRecord } from "./instance-directory.ts";
import type { Platform } from "./platform.ts";

/** The main process of an instance. */
export interface RecordedProcess {
  readonly pid: number;
  /** Epoch ms. */
  readonly startTime: number;
}

/**
 * The main process that `directory` records, if it lives and is provably this installation's. Only looks: nothing is
 * taken over and nothing decided.
 */
export async function findRecorded(
  directory: string,
  installationId: string,
  platform: Platform,
): Promise<RecordedProcess | undefined> {
  const record = await readInstanceRecord(directory);
  if (record?.installationId !== installationId) return undefined;
  if (!platform.proc || !isLocal(record, platform)) return undefined;
  const pid = readClaim(directory, "pid");
  if (pid.kind !== "process" || readExit(directory) !== undefined) return undefined;
  const isLiving = findLive(pid.process) !== undefined;
  return isLiving ? { pid: pid.process.pid, startTime: pid.time } : undefined;
}

/**
 * Whether the process of `directory`, or the shim that writes its end and its logs, may live: whenever nothing shows
 * that they do not.
 */
export async function isDirectoryInUse(
  directory: string,
  installationId: string,
  platform: Platform,
): Promise<boolean> {
  const record = await readInstanceRecord(directory);
  // Written before the shim is spawned: without it there was none.
  if (record === undefined || record.bootId !== platform.bootId) return false;
  if (record.installationId !== installationId) return true;
  if (readDrained(directory).drained) return false;
  if (!platform.proc || !isLocal(record, platform)) return readExit(directory) === undefined;
  return (["claim", "pid"] as const).some((name) => {
    const claim = readClaim(directory, name);
    return claim.kind === "process" && findLive(claim.process) !== undefined;
  });
}
