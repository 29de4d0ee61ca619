import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "../clock.ts";
import { maskSecrets } from "../environment/secrets.ts";
import { isRuntimeError, type RuntimeError } from "../errors.ts";
import type { Failpoints } from "../failpoints.ts";
import type { Log } from "../logs/log.ts";
import type { Logs } from "../logs/logs.ts";
import type { Recording } from "../logs/recording.ts";
import type { Instance } from "../supervisor/instance.ts";
import type { StopOutcome, Supervisor } from "../supervisor/supervisor.ts";
import { type Excerpt, readExcerpt } from "./excerpt.ts";
import type { CommandRequest } from "./operations.ts";

/**
 * Runs one command to its end, as a supervised process whose output is a log. An abort of `cancelled`
 * ends it with its whole tree, or keeps it from being started.
 */
export interface CommandRunner {
  run(operationId: string, request: CommandRequest, cancelled: AbortSignal): Promise<CommandEnd>;
  /** Goes on with a command that an earlier server began. */
  resume(operationId: string, cancelled: AbortSignal): Promise<ResumedCommand>;
  /** Whether its output may still grow. */
  isRunning(operationId: string): boolean;
  /** Stops its process, joining a stop in progress. Undefined: there was none. */
  stop(operationId: string): Promise<StopOutcome | undefined>;
}

export interface CommandEnd {
  /** Absent when it was never started. Neither code nor signal: the status is lost. */
  readonly exit?: { readonly code?: number; readonly signal?: string };
  readonly timedOut: boolean;
  readonly cancelled: boolean;
  readonly spawnError?: RuntimeError;
  readonly stdout: Excerpt;
  readonly stderr: Excerpt;
}

export interface ResumedCommand {
  /** It still runs: `end` comes when it has ended, at the latest when its time is up. */
  readonly isLiving: boolean;
  readonly end: Promise<CommandEnd>;
}

export interface CommandRunnerOptions {
  readonly supervisor: Pick<Supervisor, "start" | "adopt">;
  readonly logs: Logs;
  readonly clock: Clock;
  readonly failpoints: Failpoints;
  /** Each operation has its own directory in it: the log, and beside it the process's files. */
  readonly directory: string;
  /** Runs command lines. */
  readonly shell: string;
}

export const DEFAULT_TIMEOUT_MS = 10 * 60_000;
/** Between asking a command that took too long to end, and ending it. */
const GRACE_MS = 2_000;
/** Of each stream. */
const OUTPUT_BYTES = 16 * 1024 * 1024;

/** The process of a command, once it has one; undefined when it never came to that. */
type Started = PromiseWithResolvers<Instance | undefined>;

export function createCommandRunner(options: CommandRunnerOptions): CommandRunner {
  const { supervisor, logs, clock, failpoints, shell } = options;
  const running = new Map<string, Started>();
  const directoryOf = (operationId: string) => join(options.directory, operationId);
  const processOf = (operationId: string) => join(directoryOf(operationId), "process");

  return {
    isRunning: (operationId) => running.has(operationId),
    run: (operationId, request, cancelled) =>
      recorded(operationId, request.env, async (started) => {
        const { process, cwd, env, timeoutMs = DEFAULT_TIMEOUT_MS } = request;
        if (cancelled.aborted) return { timedOut: false, cancelled: true };
        const instance = await supervisor.start({
          instanceId: operationId,
          directory: processOf(operationId),
          logsDirectory: directoryOf(operationId),
          cwd,
          command: process.kind === "command" ? { ...process, shell } : process,
          env,
          stdin: "NULL",
        });
        await failpoints.hit("operation.spawned");
        return await superviseToEnd(instance, timeoutMs, started, cancelled);
      }),
    async resume(operationId, cancelled) {
      if (!existsSync(processOf(operationId))) {
        return { isLiving: false, end: recorded(operationId, {}, async () => LOST) };
      }
      const adoption = await supervisor.adopt(processOf(operationId));
      const end = recorded(operationId, {}, async (started) =>
        adoption.kind === "living" || adoption.kind === "ended"
          ? await superviseToEnd(adoption.instance, DEFAULT_TIMEOUT_MS, started, cancelled)
          : LOST,
      );
      return { isLiving: adoption.kind === "living", end };
    },
    async stop(operationId) {
      const instance = await running.get(operationId)?.promise;
      return await instance?.stop({ graceMs: GRACE_MS });
    },
  };

  /** Indexes the output while `work` goes on; a command that cannot be started is an outcome. */
  async function recorded(
    operationId: string,
    env: Readonly<Record<string, string>>,
    work: (started: Started) => Promise<Omit<CommandEnd, "stdout" | "stderr">>,
  ): Promise<CommandEnd> {
    const directory = directoryOf(operationId);
    let log: Log | undefined;
    let recording: Recording | undefined;
    const started: Started = Promise.withResolvers();
    running.set(operationId, started);
    try {
      log = await logs.open(directory);
      recording = await log.record(1, {
        maxBytes: OUTPUT_BYTES,
        instanceDirectory: processOf(operationId),
      });
      return { ...(await work(started)), ...(await excerpts(directory, env)) };
    } catch (error) {
      if (!isRuntimeError(error) || isRuntimeError(error, "SHUTTING_DOWN")) throw error;
      return { ...LOST, spawnError: error, ...(await excerpts(directory, env)) };
    } finally {
      started.resolve(undefined);
      await recording?.stop();
      // Before the wake: who waits for the end looks whether it has come.
      running.delete(operationId);
      log?.wake();
      log?.release();
    }
  }

  /** Until its main process has ended, nothing of its tree lives and its output is complete. */
  async function superviseToEnd(
    instance: Instance,
    timeoutMs: number,
    started: Started,
    cancelled: AbortSignal,
  ) {
    started.resolve(instance);
    const cut = Promise.withResolvers<"overdue" | "cancelled">();
    const unschedule = clock.schedule(timeoutMs, () => cut.resolve("overdue"));
    const cancel = () => cut.resolve("cancelled");
    if (cancelled.aborted) cancel();
    cancelled.addEventListener("abort", cancel, { once: true });
    const first = await Promise.race([instance.exited, cut.promise]);
    unschedule();
    cancelled.removeEventListener("abort", cancel);
    // Also after an exit: what the command left running in the background ends with it.
    await instance.stop({ graceMs: GRACE_MS });
    const exit = await instance.exited;
    await instance.drained;
    return { exit, timedOut: first === "overdue", cancelled: first === "cancelled" };
  }
}

/** Nothing is known of its end. */
const LOST = { timedOut: false, cancelled: false } as const;

/** Of a command that an earlier server began the secrets are not known any more. */
async function excerpts(
  directory: string,
  env: Readonly<Record<string, string>>,
): Promise<Pick<CommandEnd, "stdout" | "stderr">> {
  const [stdout, stderr] = await Promise.all(
    ["stdout.log", "stderr.log"].map(async (name) => {
      const { text, bytes } = await readExcerpt(join(directory, name));
      return { text: maskSecrets(text, env), bytes };
    }),
  );
  return { stdout: stdout as Excerpt, stderr: stderr as Excerpt };
}
