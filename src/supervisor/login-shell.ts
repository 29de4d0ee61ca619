import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { accessSync, constants } from "node:fs";
import { isAbsolute } from "node:path";

const TIMEOUT_MS = 3_000;
const MAX_OUTPUT_BYTES = 1024 * 1024;

/**
 * The environment as the person's login shell sets it. Rejects when the shell hangs longer than 3 s,
 * fails, or prints no environment; the caller has its own to fall back to.
 *
 * Login files print greetings, take version managers' locks and leave children behind: the
 * environment is read between two markers, and the whole process group is ended at the bound.
 */
export function readLoginShell(
  environment: Readonly<Record<string, string>>,
  timeoutMs: number = TIMEOUT_MS,
): Promise<Record<string, string>> {
  const marker = `__environment_${randomBytes(8).toString("hex")}__`;
  const script = `printf '%s\\0' ${marker}; env -0; printf '%s' ${marker}`;
  return new Promise((resolve, reject) => {
    const shell = loginShell(environment.SHELL);
    const child = spawn(shell, ["-l", "-c", script], {
      cwd: "/",
      env: { ...environment },
      detached: true,
      stdio: ["ignore", "pipe", "ignore"],
    });
    const chunks: Buffer[] = [];
    let size = 0;
    const timer = setTimeout(
      () => finish(new Error(`${shell} did not answer within ${timeoutMs} ms`)),
      timeoutMs,
    );
    timer.unref();
    const finish = (error?: Error) => {
      clearTimeout(timer);
      child.stdout.destroy();
      child.unref();
      if (child.exitCode === null && child.signalCode === null && child.pid !== undefined) {
        killGroup(child.pid);
      }
      const found = between(Buffer.concat(chunks).toString("utf8"), marker);
      if (found !== undefined) resolve(found);
      else reject(error ?? new Error(`${shell} printed no environment`));
    };
    child.on("error", finish);
    // The marker, not the end of the pipe: a child of a login file may hold that open for ever.
    child.stdout.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      size += chunk.length;
      if (size > MAX_OUTPUT_BYTES)
        finish(new Error(`${shell} printed over ${MAX_OUTPUT_BYTES} bytes`));
      else if (chunk.includes(marker) && between(Buffer.concat(chunks).toString("utf8"), marker))
        finish();
    });
    // The end of its output may be seen before its exit: only both together are silence.
    let isOver = false;
    const over = () => {
      if (isOver) finish();
      isOver = true;
    };
    child.on("exit", (code, signal) => {
      if (code === 0) over();
      else finish(new Error(`${shell} ended with ${signal ?? `code ${code}`}`));
    });
    child.stdout.on("end", over);
  });
}

function loginShell(shell: string | undefined): string {
  const named = shell?.trim() ?? "";
  if (!isAbsolute(named)) return "/bin/sh";
  try {
    accessSync(named, constants.X_OK);
    return named;
  } catch {
    return "/bin/sh";
  }
}

function between(output: string, marker: string): Record<string, string> | undefined {
  const start = output.indexOf(`${marker}\0`);
  const end = output.lastIndexOf(marker);
  if (start < 0 || end <= start) return undefined;
  const entries = output.slice(start + marker.length + 1, end).split("\0");
  return Object.fromEntries(
    entries.flatMap((entry) => {
      const at = entry.indexOf("=");
      return at > 0 ? [[entry.slice(0, at), entry.slice(at + 1)]] : [];
    }),
  );
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // Gone already.
  }
}
