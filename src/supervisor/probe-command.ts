import { spawn } from "node:child_process";

/** How a probe's command ended: with a code, a signal, at its bound, or never begun. */
export interface ProbeCommandEnd {
  readonly code?: number;
  readonly signal?: string;
  readonly timedOut: boolean;
  /** It could not be started. */
  readonly error?: Error;
  /** The last of both its streams, at most 4 KiB. */
  readonly output: string;
}

export interface ProbeCommand {
  /** Absolute; called as `<shell> -c <command>`. */
  readonly shell: string;
  readonly command: string;
  readonly cwd: string;
  /** Complete. Without a marker: a probe is no member of the service that it asks. */
  readonly env: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
}

const MAX_OUTPUT_BYTES = 4 * 1024;
/** What the group wrote is in the pipe when it is gone; only one that left the group still holds it. */
const LAST_OUTPUT_MS = 100;

/**
 * Beside the command a guard reads descriptor 3, which only we hold: when it ends, by our hand or by our
 * death, the guard kills the whole group. As long as the guard lives, the group's number is nobody else's.
 */
const GUARDED = '(read -r _ <&3; kill -KILL 0) >/dev/null 2>&1 & exec 3<&-; "$0" -c "$1"';

/** Runs a short command in a session and group of its own, all of which is ended when the command is, or at its bound. */
export function runProbeCommand(request: ProbeCommand): Promise<ProbeCommandEnd> {
  // Some failures of a spawn are thrown, some are told.
  return supervise(request).catch((error: Error) => ({ timedOut: false, error, output: "" }));
}

function supervise(request: ProbeCommand): Promise<ProbeCommandEnd> {
  const { shell, command, cwd, env, timeoutMs } = request;
  return new Promise((resolve) => {
    const child = spawn("/bin/sh", ["-c", GUARDED, shell, command], {
      cwd,
      env: { ...env },
      detached: true,
      stdio: ["ignore", "pipe", "pipe", "pipe"],
    });
    const [, stdout, stderr, lifeline] = child.stdio;
    let output = Buffer.alloc(0);
    let timedOut = false;
    const finish = (end: Partial<ProbeCommandEnd>) => {
      clearTimeout(timer);
      for (const stream of [stdout, stderr, lifeline]) stream?.destroy();
      resolve({ timedOut, output: output.toString("utf8"), ...end });
    };
    const timer = setTimeout(() => {
      timedOut = true;
      lifeline?.destroy();
      // Also where the guard itself was killed: our unreaped child still holds the group's number.
      if (child.pid !== undefined) killGroup(child.pid);
    }, timeoutMs);
    for (const stream of [stdout, stderr]) {
      stream?.on("data", (chunk: Buffer) => {
        output = Buffer.concat([output, chunk]).subarray(-MAX_OUTPUT_BYTES);
      });
      stream?.on("error", () => {});
    }
    lifeline?.on("error", () => {});
    child.once("error", (error) => finish({ error }));
    child.once("exit", (code, signal) => {
      clearTimeout(timer);
      lifeline?.destroy();
      const end = {
        ...(code === null || timedOut ? {} : { code }),
        ...(signal === null || timedOut ? {} : { signal }),
      };
      if (code === 0) return finish(end);
      // Never `close` alone: a grandchild in a session of its own may hold the pipes for ever.
      const patience = setTimeout(() => finish(end), LAST_OUTPUT_MS);
      child.once("close", () => {
        clearTimeout(patience);
        finish(end);
      });
    });
  });
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // Gone already.
  }
}
