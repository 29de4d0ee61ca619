import { setTimeout as delay } from "node:timers/promises";
import { findLive } from "./identity.ts";
import { findMarked, type MarkedProcess } from "./marked-processes.ts";
import { detectPlatform } from "./platform.ts";
import { createProcessTables } from "./process-table.ts";
import { findRecorded, isDirectoryInUse, type RecordedProcess } from "./recorded-process.ts";
import { signalProcess } from "./signal.ts";

/** What can be seen of an installation's processes without being its server. */
export interface Inspection {
  /** See Supervisor. */
  recorded(directory: string): Promise<RecordedProcess | undefined>;
  isInUse(directory: string): Promise<boolean>;
  marked(): Promise<readonly MarkedProcess[]>;
  /** TERM, 2 s later KILL, to this very process. Resolves with whether it is gone. */
  end(process: MarkedProcess): Promise<boolean>;
}

export function createInspection(installationId: string): Inspection {
  const platform = detectPlatform();
  const tables = createProcessTables();
  return {
    recorded: (directory) => findRecorded(directory, installationId, platform),
    isInUse: (directory) => isDirectoryInUse(directory, installationId, platform),
    marked: async () => (platform.proc ? findMarked(installationId, tables) : []),
    async end(process) {
      for (const signal of ["SIGTERM", "SIGKILL"] as const) {
        signalProcess(process, signal);
        const until = performance.now() + GRACE_MS;
        while (findLive(process) !== undefined && performance.now() < until) await delay(10);
      }
      return findLive(process) === undefined;
    },
  };
}

const GRACE_MS = 2_000;
