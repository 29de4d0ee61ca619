import type { Actor } from "../model/workspace.ts";

/** What is too old to keep. All ages in ms. */
export interface GarbageRequest {
  /** Count, remove nothing. */
  readonly dryRun: boolean;
  /** "": all companies, and what has no row any more. */
  readonly companyId: string;
  /** Since the end of a service. Default 7 days. */
  readonly serviceAgeMs?: number;
  /** Since the end of an operation. Default 30 days. */
  readonly operationAgeMs?: number;
  /** Since a rescue was saved. Absent: rescues stay for ever. */
  readonly rescueAgeMs?: number;
  readonly actor?: Actor;
}

/** What was removed or, of a dry run, would be. */
export interface GarbageResult {
  readonly services: number;
  readonly operations: number;
  readonly rescues: number;
  /** Directories of ended instances. */
  readonly instances: number;
  readonly logFiles: number;
  /** On disk: a trimmed log counts what it still holds. */
  readonly logBytes: number;
  /** What could not be removed, a sentence each. */
  readonly warnings: readonly string[];
}

export const SERVICE_AGE_MS = 7 * 86_400_000;
export const OPERATION_AGE_MS = 30 * 86_400_000;

/** Adds up while it is collected. */
export type Tally = { -readonly [K in keyof Omit<GarbageResult, "warnings">]: number } & {
  readonly warnings: string[];
};

export function newTally(): Tally {
  return {
    services: 0,
    operations: 0,
    rescues: 0,
    instances: 0,
    logFiles: 0,
    logBytes: 0,
    warnings: [],
  };
}
