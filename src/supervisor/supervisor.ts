import { appendFile } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../clock.ts";
import { RuntimeError } from "../errors.ts";
import type { Failpoints } from "../failpoints.ts";
import { type Adoption, adoptInstance } from "./adopt.ts";
import { probeCapabilities } from "./capabilities.ts";
import type { Cgroup } from "./cgroup.ts";
import type { Controller } from "./controllers.ts";
import { createInstance, type Instance, type InstanceContext } from "./instance.ts";
import {
  createInstanceDirectory,
  type InstanceRecord,
  removeSecrets,
} from "./instance-directory.ts";
import { type Limits, setLimits } from "./limits.ts";
import { findMarked, type MarkedProcess } from "./marked-processes.ts";
import { MARKER_VARIABLE, markerOf } from "./marker.ts";
import { detectPlatform, type Platform } from "./platform.ts";
import { checkLaunch } from "./preflight.ts";
import { createProcessTables } from "./process-table.ts";
import { findRecorded, isDirectoryInUse, type RecordedProcess } from "./recorded-process.ts";
import { renderRunFile } from "./run-file.ts";
import { createSemaphore } from "./semaphore.ts";
import { installShim } from "./shim-file.ts";
import { spawnShim } from "./spawn.ts";
import { createWatcher, type WatcherOptions } from "./watch.ts";
import { createWriterGuard } from "./writers.ts";

export type { Adoption } from "./adopt.ts";
export type { Exit } from "./exit-status.ts";
export type { Instance, Member, StopRequest } from "./instance.ts";
export { MARKER_VARIABLE } from "./marker.ts";
export type { StopOutcome } from "./stop.ts";

/** Starts processes that belong to themselves, watches them, and ends them with proof. Keeps nothing but files. */
export interface Supervisor {
  /**
   * Resolves once the command's own process has recorded itself. Rejects with SPAWN_FAILED (and then nothing was and
   * nothing will be started), INVALID_FIELD for what exec cannot carry, STORAGE_FULL.
   */
  start(request: StartRequest): Promise<Instance>;
  /** Takes over an instance directory that an earlier server left. */
  adopt(directory: string): Promise<Adoption>;
  /** The living main process of an instance directory, if it is provably ours. Changes nothing. */
  recorded(directory: string): Promise<RecordedProcess | undefined>;
  /** An instance directory that must stay: its process or its shim may live. */
  isInUse(directory: string): Promise<boolean>;
  /** The processes that say they are of this installation's instances. */
  marked(): Promise<readonly MarkedProcess[]>;
  capabilities(): SupervisorCapabilities;
  /** Ends watches, timers and waits (a stop under way rejects with SHUTTING_DOWN). Processes go on. */
  close(): Promise<void>;
}

export interface StartRequest {
  /** "<service id>-<n>". */
  readonly instanceId: string;
  /** Must not exist; made 0700. */
  readonly directory: string;
  /** Holds stdout.log and stderr.log (0600) of all instances of a service; made if missing. */
  readonly logsDirectory: string;
  /** Absolute. */
  readonly cwd: string;
  readonly command:
    | { readonly kind: "command"; readonly command: string; readonly shell: string }
    | { readonly kind: "argv"; readonly args: readonly string[] };
  /** The service's complete environment, but for the marker. */
  readonly env: Readonly<Record<string, string>>;
  /** OPEN: a pipe that never has input and never ends. NULL: /dev/null. */
  readonly stdin: "OPEN" | "NULL";
  /** What of it cannot be enforced is told in the stderr log, before the first byte of the service. */
  readonly limits?: Limits;
}

export interface SupervisorCapabilities {
  /** Stops are proved by the instance's own cgroup. */
  readonly cgroup: boolean;
  /** Else by a shim that adopts all orphans of its tree. Neither: by a scan, which is best effort. */
  readonly subreaper: boolean;
  /** Living processes can be taken over after a restart of the server. */
  readonly adoption: boolean;
  /** Which limits hold. */
  readonly limits: Readonly<Record<Controller, boolean>>;
}

export interface SupervisorOptions {
  /** Tells our processes from those of every other server. */
  readonly installationId: string;
  /** Inside the data directory; made 0700. */
  readonly runtimeDirectory: string;
  readonly clock: Clock;
  readonly failpoints?: Failpoints;
  /** Structured like pino. */
  readonly log?: { warn(facts: object, message: string): void };
  /** The strongest proof to use, for tests and for hosts where a stronger one misbehaves. Default CGROUP. */
  readonly strongestProof?: "CGROUP" | "SUBREAPER" | "SCAN";
  /** How many processes are between spawn and their record at once. Default 8. */
  readonly maxConcurrentSpawns?: number;
  /** What runs the shim. Default /bin/sh. */
  readonly shell?: string;
  /** For tests. Defaults 1000 and 10,000. */
  readonly sweepMs?: number;
  readonly repairMs?: number;
  readonly platform?: Platform;
  readonly fsWatch?: NonNullable<WatcherOptions["fsWatch"]>;
}

export async function createSupervisor(options: SupervisorOptions): Promise<Supervisor> {
  const { installationId, runtimeDirectory, clock, strongestProof, shell = "/bin/sh" } = options;
  const platform = options.platform ?? detectPlatform();
  const shimPath = await installShim(runtimeDirectory);
  const { cgroups, subreaper, unavailable } = await probeCapabilities({
    installationId,
    platform,
    ...(strongestProof === undefined ? {} : { strongest: strongestProof }),
  });
  const watcher = createWatcher({
    clock,
    anchor: runtimeDirectory,
    ...(options.sweepMs === undefined ? {} : { sweepMs: options.sweepMs }),
    ...(options.fsWatch === undefined ? {} : { fsWatch: options.fsWatch }),
  });
  const closing = new AbortController();
  const withinLimit = createSemaphore(options.maxConcurrentSpawns ?? 8);
  const shared = {
    clock,
    tables: createProcessTables(),
    shimPath,
    shell,
    warn: (message: string, facts: object) => options.log?.warn(facts, message),
  };
  const writers = createWriterGuard(shared, options.repairMs ?? 10_000);
  const context: InstanceContext = {
    ...shared,
    platform,
    failpoints: options.failpoints,
    watcher,
    writers,
    closed: closing.signal,
  };

  return {
    start: (request) => withinLimit(() => start(request)),
    adopt: (directory) => adoptInstance(directory, installationId, context),
    recorded: (directory) => findRecorded(directory, installationId, platform),
    isInUse: (directory) => isDirectoryInUse(directory, installationId, platform),
    marked: async () => (platform.proc ? findMarked(installationId, context.tables) : []),
    capabilities: () => ({
      cgroup: cgroups !== undefined,
      subreaper: subreaper.length > 0,
      adoption: platform.proc,
      limits: { memory: isAvailable("memory"), cpu: isAvailable("cpu"), pids: isAvailable("pids") },
    }),
    async close() {
      closing.abort();
      watcher.close();
      writers.close();
      cgroups?.close();
    },
  };

  function isAvailable(controller: Controller): boolean {
    return cgroups !== undefined && unavailable[controller] === undefined;
  }

  async function start(request: StartRequest): Promise<Instance> {
    const { instanceId, directory, cwd, command, stdin } = request;
    if (closing.signal.aborted) {
      throw new RuntimeError("SHUTTING_DOWN", "the server is shutting down");
    }
    const marker = markerOf(installationId, instanceId);
    const args = command.kind === "command" ? [command.shell, "-c", command.command] : command.args;
    const env = { ...request.env, [MARKER_VARIABLE]: marker };
    checkLaunch({ cwd, args, env });

    const cgroup = tryCreateCgroup(instanceId);
    const record: InstanceRecord = {
      installationId,
      instanceId,
      bootId: platform.bootId,
      pidNamespace: platform.pidNamespace,
      logsDirectory: request.logsDirectory,
      cgroup: cgroup?.path ?? "",
      subreaper: subreaper.length > 0,
    };
    let made = false;
    try {
      await createInstanceDirectory(
        directory,
        record,
        renderRunFile({ cwd, args, env }),
        request.env,
      );
      made = true;
      await bound(request, cgroup);
      const spawned = await spawnShim({
        directory,
        record,
        stdin,
        shimPath,
        shell,
        prefix: subreaper,
        clock,
        watcher,
        marker,
        tables: context.tables,
      });
      const instance = await createInstance({ directory, record, ...spawned }, context);
      spawned.onShimEnd(instance.look);
      return instance;
    } catch (error) {
      cgroup?.remove();
      if (made) await removeSecrets(directory).catch(() => {});
      throw asStartError(error);
    }
  }

  async function bound(request: StartRequest, cgroup: Cgroup | undefined): Promise<void> {
    const missed = setLimits(cgroup?.path, request.limits ?? {}, unavailable);
    if (missed.length === 0) return;
    const text = missed.map(
      ({ limit, why }) => `[runtime] limits.${limit} is not enforced here: ${why}\n`,
    );
    await appendFile(join(request.logsDirectory, "stderr.log"), text.join(""), { mode: 0o600 });
  }

  function tryCreateCgroup(instanceId: string): Cgroup | undefined {
    try {
      return cgroups?.create(instanceId);
    } catch (error) {
      context.warn("no cgroup for this instance", { instanceId, error });
      return undefined;
    }
  }
}

function asStartError(error: unknown): unknown {
  if (error instanceof RuntimeError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  const full = code === "ENOSPC" || code === "EDQUOT";
  return new RuntimeError(
    full ? "STORAGE_FULL" : "SPAWN_FAILED",
    `the process could not be prepared: ${message}`,
    { metadata: { errno: code }, cause: error },
  );
}
