import { spawn } from "node:child_process";
import { RuntimeError } from "../errors.ts";
import { INSPECTION_OPTIONS, inspectionEnvironment } from "./environment.ts";

/** Asks git questions; what changes a repository is an operation and runs elsewhere. */
export interface Git {
  /**
   * Runs `git <args>` in `cwd`. A git that says no (an exit code) is an answer, not an error.
   * Throws COMMAND_TIMED_OUT past the time bound, COMMAND_FAILED past the output bound, SPAWN_FAILED
   * when git cannot be started there.
   */
  inspect(cwd: string, args: readonly string[], input?: string): Promise<GitAnswer>;
}

export interface GitAnswer {
  /** 128 and up where git died; -1 for a signal. */
  readonly exitCode: number;
  readonly stdout: string;
  /** For people only: no decision is read from it. */
  readonly stderr: string;
}

export interface GitOptions {
  /** What git may see of the environment: PATH and HOME at least. */
  readonly environment: () => Promise<Readonly<Record<string, string>>>;
  /** Default 60 s. */
  readonly timeoutMs?: number;
  /** Of one stream. Default 64 MiB. */
  readonly maxOutputBytes?: number;
}

export function createGit(options: GitOptions): Git {
  const { timeoutMs = 60_000, maxOutputBytes = 64 * 1024 * 1024 } = options;
  return {
    async inspect(cwd, args, input) {
      const env = inspectionEnvironment(await options.environment());
      return await runGit(cwd, args, { env, input, timeoutMs, maxOutputBytes });
    },
  };
}

/** For a git that cannot be asked: a damaged repository, objects that were never fetched. */
export function gitFailed(
  what: string,
  cwd: string,
  { exitCode, stderr }: GitAnswer,
): RuntimeError {
  const message = `git ${what} failed in ${cwd}: ${stderr.trim()}`;
  return new RuntimeError("COMMAND_FAILED", message, {
    metadata: { path: cwd, exit_code: exitCode },
  });
}

interface RunOptions {
  readonly env: Readonly<Record<string, string>>;
  readonly input: string | undefined;
  readonly timeoutMs: number;
  readonly maxOutputBytes: number;
}

function runGit(cwd: string, args: readonly string[], options: RunOptions): Promise<GitAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<GitAnswer>();
  const shown = `git ${args[0] ?? ""}`;
  // A group of its own, so that a bound that is passed ends what git started too.
  const child = spawn("git", [...INSPECTION_OPTIONS, ...args], {
    cwd,
    env: options.env,
    stdio: [options.input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
    detached: true,
  });
  let failure: RuntimeError | undefined;
  const giveUp = (error: RuntimeError) => {
    failure ??= error;
    if (child.pid !== undefined) killGroup(child.pid);
    child.stdout?.destroy();
    child.stderr?.destroy();
  };
  const timer = setTimeout(() => {
    const message = `${shown} took more than ${options.timeoutMs} ms in ${cwd}`;
    giveUp(new RuntimeError("COMMAND_TIMED_OUT", message, { metadata: { path: cwd } }));
  }, options.timeoutMs);

  const collect = (stream: NodeJS.ReadableStream | null): (() => string) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    stream?.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      chunks.push(chunk);
      if (bytes > options.maxOutputBytes) {
        const message = `${shown} said more than ${options.maxOutputBytes} bytes in ${cwd}`;
        giveUp(new RuntimeError("COMMAND_FAILED", message, { metadata: { path: cwd } }));
      }
    });
    return () => Buffer.concat(chunks).toString("utf8");
  };
  const stdout = collect(child.stdout);
  const stderr = collect(child.stderr);

  child.on("error", (cause) => {
    clearTimeout(timer);
    const message = `git could not be started in ${cwd}`;
    reject(new RuntimeError("SPAWN_FAILED", message, { cause, metadata: { path: cwd } }));
  });
  child.on("close", (code) => {
    clearTimeout(timer);
    if (failure !== undefined) reject(failure);
    else resolve({ exitCode: code ?? -1, stdout: stdout(), stderr: stderr() });
  });
  if (options.input !== undefined) {
    // A git that ends before it read everything has answered all the same.
    child.stdin?.on("error", () => {});
    child.stdin?.end(options.input);
  }
  return promise;
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // Gone already.
  }
}
