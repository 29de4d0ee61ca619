import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "../clock.ts";
import { RuntimeError } from "../errors.ts";
import { decidePid } from "./decide.ts";
import type { LocalProcess } from "./identity.ts";
import { FILES, type InstanceRecord, readClaim, readShimLog } from "./instance-directory.ts";
import type { ProcessTables } from "./process-table.ts";
import { shimEnvironment } from "./shim-environment.ts";
import type { Watcher } from "./watch.ts";

export interface SpawnOptions {
  readonly directory: string;
  readonly record: InstanceRecord;
  readonly stdin: "OPEN" | "NULL";
  readonly shimPath: string;
  readonly shell: string;
  /** What stands before the shell; makes the shim a subreaper. */
  readonly prefix: readonly string[];
  readonly clock: Clock;
  readonly watcher: Watcher;
  readonly tables: ProcessTables;
  readonly marker: string;
  /** Default 30,000: a host too busy to start it within that shall not start it later. */
  readonly timeoutMs?: number;
}

export interface Spawned {
  readonly main: LocalProcess;
  readonly shim: LocalProcess | undefined;
  /** Epoch ms. */
  readonly startTime: number;
  /** Calls back when the shim ends, if this process is still its parent. */
  readonly onShimEnd: (listener: () => void) => void;
}

/**
 * Spawns the shim and waits until the process that becomes the service has recorded itself. Rejects with SPAWN_FAILED,
 * and then nothing was started and nothing will be: where the shim's end or the time leaves that open, `pid` is taken.
 */
export async function spawnShim(options: SpawnOptions): Promise<Spawned> {
  const { directory, clock, watcher, timeoutMs = 30_000 } = options;
  const child = launch(options);
  const ended = Promise.withResolvers<void>();
  let problem: string | undefined;
  child.once("error", (error: NodeJS.ErrnoException) => {
    problem = describe(error);
    ended.resolve();
  });
  child.once("exit", () => ended.resolve());
  child.unref();

  const recorded = Promise.withResolvers<void>();
  const look = () => {
    if (readClaim(directory, "pid").kind === "process") recorded.resolve();
  };
  const unwatch = watcher.watch(directory, look);
  const late = Promise.withResolvers<void>();
  const cancel = clock.schedule(timeoutMs, late.resolve);
  try {
    look();
    await Promise.race([recorded.promise, ended.promise, late.promise]);
  } finally {
    unwatch();
    cancel();
  }

  const decided = await decidePid(directory, options.marker, options);
  if (decided === undefined) {
    const why = problem ?? (readShimLog(directory) || `not within ${timeoutMs} ms`);
    throw new RuntimeError("SPAWN_FAILED", `the process could not be started: ${why}`, {
      metadata: { path: directory },
    });
  }
  const claim = readClaim(directory, "claim");
  return {
    main: { pid: decided.process.pid, startTime: decided.process.startTime },
    shim:
      claim.kind === "process"
        ? { pid: claim.process.pid, startTime: claim.process.startTime }
        : undefined,
    startTime: decided.time,
    onShimEnd: (listener) => void ended.promise.then(listener),
  };
}

function launch(options: SpawnOptions): ChildProcess {
  const { directory, record, stdin, shimPath, shell, prefix } = options;
  const [program = shell, ...args] = [...prefix, shell, shimPath];
  const log = openSync(join(directory, FILES.shimLog), "a", 0o600);
  try {
    return spawn(program, args, {
      cwd: directory,
      detached: true,
      stdio: ["ignore", log, log],
      env: shimEnvironment(record, { shell, stdin }),
    });
  } catch (error) {
    throw new RuntimeError(
      "SPAWN_FAILED",
      `the process could not be started: ${describe(error as NodeJS.ErrnoException)}`,
      { cause: error },
    );
  } finally {
    closeSync(log);
  }
}

function describe(error: NodeJS.ErrnoException): string {
  return WORDS[error.code ?? ""] ?? error.message;
}

const WORDS: Readonly<Record<string, string>> = {
  EAGAIN: "the host or this user has no more processes (EAGAIN)",
  ENOMEM: "out of memory (ENOMEM)",
  EMFILE: "this server has no more descriptors (EMFILE)",
  ENFILE: "the host has no more descriptors (ENFILE)",
};
