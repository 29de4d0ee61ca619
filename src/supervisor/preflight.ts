import { accessSync, constants, readFileSync, statSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";
import { invalidField, RuntimeError } from "../errors.ts";

export interface Launch {
  readonly cwd: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/**
 * Refuses what the kernel would refuse later and less clearly: SPAWN_FAILED for a directory or program that is not
 * there, INVALID_FIELD for an environment or a command too large for exec. What changes after this look still fails
 * well: as SPAWN_FAILED by the shim's word, or as the shell's 126 or 127.
 */
export function checkLaunch(launch: Launch): void {
  checkText(launch);
  checkSizes(launch);
  checkDirectory(launch.cwd);
  checkProgram(launch);
}

/** No exec can carry a zero byte, nor a variable whose name has "=". */
function checkText({ args, env }: Launch): void {
  if (args.length === 0) throw invalidField("process", "no program is named");
  if (args.some((arg) => arg.includes("\0"))) throw invalidField("process", "holds a zero byte");
  for (const [name, value] of Object.entries(env)) {
    if (name === "" || /[=\0]/.test(name)) {
      throw invalidField("env", `${JSON.stringify(name)} is no name for a variable`);
    }
    if (value.includes("\0")) throw invalidField(`env.${name}`, "holds a zero byte");
  }
}

function checkDirectory(cwd: string): void {
  let isDirectory: boolean;
  try {
    isDirectory = statSync(cwd).isDirectory();
    if (isDirectory) accessSync(cwd, constants.X_OK);
  } catch (error) {
    throw spawnFailed(`cannot enter the working directory ${cwd}`, error, { path: cwd });
  }
  if (!isDirectory) {
    throw new RuntimeError("SPAWN_FAILED", `the working directory ${cwd} is not a directory`, {
      metadata: { path: cwd, errno: "ENOTDIR" },
    });
  }
}

function checkProgram({ cwd, args, env }: Launch): void {
  const program = args[0] ?? "";
  const candidates = program.includes("/")
    ? [resolve(cwd, program)]
    : (env.PATH ?? DEFAULT_PATH).split(delimiter).map((part) => resolve(cwd, join(part, program)));
  let problem: unknown;
  for (const candidate of candidates) {
    try {
      accessSync(candidate, constants.X_OK);
      if (statSync(candidate).isFile()) return;
      problem ??= Object.assign(new Error("not a file"), { code: "EACCES" });
    } catch (error) {
      // "Not executable" says more than "not there" from another entry of PATH.
      if ((error as NodeJS.ErrnoException).code !== "ENOENT" || problem === undefined) {
        problem = error;
      }
    }
  }
  throw spawnFailed(`cannot run ${program}`, problem, { path: program });
}

function spawnFailed(what: string, cause: unknown, metadata: Record<string, string>): RuntimeError {
  const errno = (cause as NodeJS.ErrnoException | undefined)?.code ?? "UNKNOWN";
  const why = WORDS[errno] ?? errno;
  return new RuntimeError("SPAWN_FAILED", `${what}: ${why}`, {
    metadata: { ...metadata, errno },
    cause,
  });
}

const WORDS: Readonly<Record<string, string>> = {
  ENOENT: "it does not exist",
  ENOTDIR: "it does not exist",
  EACCES: "permission denied",
  ELOOP: "too many symbolic links",
};

const DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin";

/** Linux: no single string of an exec may reach 32 pages, terminator included. */
const MAX_STRING_BYTES = 131_072;
const POINTER_BYTES = 8;
/** For what shells add (PWD) and the kernel puts on the same stack. */
const SLACK_BYTES = 4096;

function checkSizes({ args, env }: Launch): void {
  const limit = execLimit();
  let argsBytes = 0;
  for (const arg of args) {
    const bytes = Buffer.byteLength(arg) + 1;
    if (bytes > MAX_STRING_BYTES) {
      throw invalidField(
        "process",
        `an argument of ${bytes} bytes; the system takes at most ${MAX_STRING_BYTES}`,
      );
    }
    argsBytes += bytes + POINTER_BYTES;
  }
  let envBytes = 0;
  for (const [name, value] of Object.entries(env)) {
    const bytes = Buffer.byteLength(name) + Buffer.byteLength(value) + 2;
    if (bytes > MAX_STRING_BYTES) {
      throw invalidField(
        `env.${name}`,
        `${bytes} bytes; the system takes at most ${MAX_STRING_BYTES} for one variable`,
      );
    }
    envBytes += bytes + POINTER_BYTES;
  }
  if (argsBytes + envBytes + SLACK_BYTES > limit) {
    throw invalidField(
      "env",
      `environment and command are ${argsBytes + envBytes} bytes; the system takes at most ${limit - SLACK_BYTES}`,
    );
  }
}

/** Bytes of arguments and environment that one exec may carry: a quarter of the stack limit, 128 KiB to 6 MiB. */
function execLimit(): number {
  let stack = Number.POSITIVE_INFINITY;
  try {
    const line = /^Max stack size\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"));
    if (line !== null) stack = Number(line[1]);
  } catch {
    return 1024 * 1024; // macOS: fixed
  }
  return Math.max(131_072, Math.min(stack / 4, 6 * 1024 * 1024));
}
