import { spawn } from "node:child_process";
import { RuntimeError } from "../errors.ts";
import { INSPECTION_OPTIONS, inspectionEnvironment } from "./environment.ts";

/**
 * Git's plumbing, byte for byte: file names and contents that are no text survive it. Runs nothing of
 * the repository's (no hook, monitor or transport) and never looks above `cwd` for a repository.
 */
export interface Plumbing {
  /**
   * The output of `git <args>` in `cwd`. Throws COMMAND_FAILED with git's own words for any exit code
   * but 0, COMMAND_TIMED_OUT, SPAWN_FAILED.
   */
  read(cwd: string, args: readonly string[], options?: PlumbingOptions): Promise<Buffer>;
  /** The same, its output handed on as it comes. */
  stream(
    cwd: string,
    args: readonly string[],
    take: (output: AsyncIterable<Buffer>) => Promise<void>,
    options?: PlumbingOptions,
  ): Promise<void>;
}

export interface PlumbingOptions {
  readonly input?: Buffer | string;
  /** Such as GIT_INDEX_FILE. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface PlumbingSettings {
  /** What git may see of the environment: PATH and HOME at least. */
  readonly environment: () => Promise<Readonly<Record<string, string>>>;
  readonly timeoutMs: number;
}

export function createPlumbing({ environment, timeoutMs }: PlumbingSettings): Plumbing {
  const stream: Plumbing["stream"] = async (cwd, args, take, options = {}) => {
    const env = {
      ...inspectionEnvironment(await environment()),
      // A worktree whose `.git` is gone must not be taken for a part of the checkout around it.
      GIT_CEILING_DIRECTORIES: cwd.replace(/\/[^/]*$/, "") || "/",
      // An object that a partial clone lacks would be fetched by a program that the repository names.
      GIT_ALLOW_PROTOCOL: "none",
      ...options.env,
    };
    const child = spawn("git", [...INSPECTION_OPTIONS, ...args], {
      cwd,
      env,
      stdio: ["pipe", "pipe", "pipe"],
      detached: true,
    });
    const shown = `git ${args.find((arg) => !arg.startsWith("-")) ?? ""}`;
    const metadata = { path: cwd };
    const ended = Promise.withResolvers<number | null>();
    child.once("error", (cause) => {
      const message = `git could not be started in ${cwd}`;
      ended.reject(new RuntimeError("SPAWN_FAILED", message, { cause, metadata }));
    });
    child.once("close", (code) => ended.resolve(code));
    const kill = () => {
      if (child.pid !== undefined) killGroup(child.pid);
      // What it started may have left the group, and hold the other ends.
      child.stdout.destroy();
      child.stderr.destroy();
    };
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      kill();
    }, timeoutMs);
    let stderr = "";
    child.stderr.on("data", (chunk: Buffer) => {
      if (stderr.length < 4096) stderr += chunk.toString();
    });
    // A git that ends before it read everything says why by its exit code.
    child.stdin.on("error", () => {});
    child.stdin.end(options.input ?? "");
    try {
      const taking = take(child.stdout).catch((error: unknown) => {
        kill();
        throw error;
      });
      const [taken, code] = await Promise.allSettled([taking, ended.promise]);
      if (code.status === "rejected") throw code.reason;
      if (isLate) {
        const message = `${shown} took more than ${timeoutMs} ms in ${cwd}`;
        throw new RuntimeError("COMMAND_TIMED_OUT", message, { metadata });
      }
      if (taken.status === "rejected") throw taken.reason;
      if (code.value !== 0) {
        const message = `${shown} failed in ${cwd}: ${stderr.trim()}`;
        throw new RuntimeError("COMMAND_FAILED", message, { metadata });
      }
    } finally {
      clearTimeout(timer);
    }
  };
  return {
    stream,
    async read(cwd, args, options) {
      const chunks: Buffer[] = [];
      const take = async (output: AsyncIterable<Buffer>) => {
        for await (const chunk of output) chunks.push(chunk);
      };
      await stream(cwd, args, take, options);
      return Buffer.concat(chunks);
    },
  };
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // Gone already.
  }
}
