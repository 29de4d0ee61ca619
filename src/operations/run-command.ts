import { join } from "node:path";
import type { Clock } from "../clock.ts";
import { isRuntimeError, type RuntimeError } from "../errors.ts";
import type { Log } from "../logs/log.ts";
import type { Logs } from "../logs/logs.ts";
import type { Recording } from "../logs/recording.ts";
import type { Instance } from "../supervisor/instance.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";
import { type Excerpt, readExcerpt } from "./excerpt.ts";
import type { CommandRequest } from "./operations.ts";

/** Runs one command to its end, as a supervised process whose output is a log. */
export interface CommandRunner {
  run(operationId: string, request: CommandRequest): Promise<CommandEnd>;
  /** Whether its output may still grow. */
  isRunning(operationId: string): boolean;
}

export interface CommandEnd {
  /** Absent when it was never started. Neither code nor signal: the status is lost. */
  readonly exit?: { readonly code?: number; readonly signal?: string };
  readonly timedOut: boolean;
  readonly spawnError?: RuntimeError;
  readonly stdout: Excerpt;
  readonly stderr: Excerpt;
}

export interface CommandRunnerOptions {
  readonly supervisor: Pick<Supervisor, "start">;
  readonly logs: Logs;
  readonly clock: Clock;
  /** Each operation has its own directory in it: the log, and beside it the process's files. */
  readonly directory: string;
  /** Runs command lines. */
  readonly shell: string;
}

const DEFAULT_TIMEOUT_MS = 10 * 60_000;
/** Between asking a command that took too long to end, and ending it. */
const GRACE_MS = 2_000;
/** Of each stream. */
const OUTPUT_BYTES = 16 * 1024 * 1024;

export function createCommandRunner(options: CommandRunnerOptions): CommandRunner {
  const { supervisor, logs, clock, shell } = options;
  const running = new Set<string>();
  return {
    isRunning: (operationId) => running.has(operationId),
    async run(operationId, request) {
      const directory = join(options.directory, operationId);
      const instanceDirectory = join(directory, "process");
      running.add(operationId);
      let log: Log | undefined;
      let recording: Recording | undefined;
      try {
        log = await logs.open(directory);
        recording = await log.record(1, { maxBytes: OUTPUT_BYTES, instanceDirectory });
        const instance = await start();
        const end = await superviseToEnd(instance, request.timeoutMs ?? DEFAULT_TIMEOUT_MS);
        return { ...end, ...(await excerpts(directory)) };
      } catch (error) {
        if (!isRuntimeError(error) || isRuntimeError(error, "SHUTTING_DOWN")) throw error;
        return { timedOut: false, spawnError: error, ...(await excerpts(directory)) };
      } finally {
        await recording?.stop();
        // Before the wake: who waits for the end looks whether it has come.
        running.delete(operationId);
        log?.wake();
        log?.release();
      }

      function start(): Promise<Instance> {
        const { process, cwd, env } = request;
        return supervisor.start({
          instanceId: operationId,
          directory: instanceDirectory,
          logsDirectory: directory,
          cwd,
          command: process.kind === "command" ? { ...process, shell } : process,
          env,
          stdin: "NULL",
        });
      }
    },
  };

  /** Until its main process has ended, nothing of its tree lives and its output is complete. */
  async function superviseToEnd(instance: Instance, timeoutMs: number) {
    const overdue = Promise.withResolvers<"overdue">();
    const cancel = clock.schedule(timeoutMs, () => overdue.resolve("overdue"));
    const first = await Promise.race([instance.exited, overdue.promise]);
    cancel();
    // Also after an exit: what the command left running in the background ends with it.
    await instance.stop({ graceMs: GRACE_MS });
    const exit = await instance.exited;
    await instance.drained;
    return { exit, timedOut: first === "overdue" };
  }
}

async function excerpts(directory: string): Promise<Pick<CommandEnd, "stdout" | "stderr">> {
  const [stdout, stderr] = await Promise.all([
    readExcerpt(join(directory, "stdout.log")),
    readExcerpt(join(directory, "stderr.log")),
  ]);
  return { stdout, stderr };
}

/** Why a command's operation failed, for people; undefined when it succeeded. */
export function describeFailure(request: CommandRequest, end: CommandEnd): string | undefined {
  const { exit, spawnError, timedOut } = end;
  const shown = `Command "${request.command}"`;
  if (spawnError !== undefined) return `${shown} could not be started: ${spawnError.message}`;
  if (timedOut) {
    return `${shown} timed out after ${(request.timeoutMs ?? DEFAULT_TIMEOUT_MS) / 1000} s`;
  }
  if (exit?.code === 0) return undefined;
  if (exit?.code !== undefined) return `${shown} failed with exit code ${exit.code}`;
  if (exit?.signal !== undefined) return `${shown} was ended by ${exit.signal}`;
  return `${shown} ended and its exit status is lost`;
}
