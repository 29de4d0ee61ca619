import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync, realpathSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join, relative } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { checkHealth } from "../client/index.ts";
import { ExitError } from "./exit-error.ts";

export interface LaunchOptions {
  readonly dataDir: string;
  /** Further flags of `serve`. */
  readonly args?: readonly string[];
  readonly environment?: NodeJS.ProcessEnv;
  /** Default 30 s. */
  readonly timeoutMs?: number;
}

const MAIN = fileURLToPath(new URL("../main.ts", import.meta.url));

/**
 * Starts a server that outlives this process, its output in `<data dir>/server.log`, and resolves with its pid once it
 * serves. Where another one was quicker to take the data directory, that one it is.
 */
export async function launchServer(options: LaunchOptions): Promise<number> {
  const { dataDir, args = [], timeoutMs = 30_000 } = options;
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const logFile = join(dataDir, "server.log");
  const log = openSync(logFile, "a", 0o600);
  const logged = readFileSync(logFile).length;
  const child = spawn(process.execPath, [MAIN, "serve", "--data-dir", dataDir, ...args], {
    detached: true,
    stdio: ["ignore", log, log],
    // Its own, so that it holds no repository's directory.
    cwd: dataDir,
    env: options.environment ?? process.env,
  });
  closeSync(log);
  child.unref();
  let failed: Error | undefined;
  child.on("error", (error) => {
    failed = error;
  });

  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const hasEnded = child.exitCode !== null || child.signalCode !== null || failed !== undefined;
    if (await isServing(dataDir)) return child.pid ?? 0;
    if (hasEnded || performance.now() > deadline) {
      if (!hasEnded) child.kill();
      const said = failed?.message ?? readFileSync(logFile).subarray(logged).toString().trim();
      const what = hasEnded ? "ended at once" : `did not serve within ${timeoutMs / 1000} s`;
      throw new ExitError(
        `The server ${what}; it said:\n${said || "nothing"}\nIts log: ${logFile}`,
      );
    }
    await sleep(20);
  }
}

/** Flags that let a server work on `directory`, should that lie outside what it allows by itself. */
export function allowingFlags(directory: string): string[] {
  const usual = [homedir(), tmpdir()];
  const isInside = usual.some((root) => {
    try {
      return !relative(realpathSync(root), directory).startsWith("..");
    } catch {
      return false;
    }
  });
  return isInside ? [] : [...usual, directory].flatMap((root) => ["--allow-root", root]);
}

async function isServing(dataDir: string): Promise<boolean> {
  try {
    return (await checkHealth({ dataDir, timeoutMs: 2_000 })) === "SERVING";
  } catch {
    return false;
  }
}
