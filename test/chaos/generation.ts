import { type ChildProcess, spawn } from "node:child_process";
import type { Scene } from "./scene.ts";

/** One server process, from its start to its death. */
export interface Generation {
  readonly pid: number;
  /** True when it says that it is ready, false when it dies before that. */
  readonly ready: Promise<boolean>;
  readonly over: Promise<End>;
  isOver(): boolean;
  kill(signal: NodeJS.Signals): Promise<End>;
  /** The end of what it wrote to standard error. */
  stderrTail(): string;
}

export interface End {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

const MAIN = new URL("../../src/main.ts", import.meta.url).pathname;
const TAIL = 16_384;

/** The address stays the same over generations only by the data directory, where clients look. */
export function startGeneration(scene: Scene, failpoints: string): Generation {
  const own = Object.entries(process.env).filter(([key]) => !key.startsWith("WORKSPACE_RUNTIME_"));
  const child = spawn(
    process.execPath,
    [MAIN, "serve", "--listen", "127.0.0.1:0", "--data-dir", scene.dataDir, ...scene.args],
    {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...Object.fromEntries(own), WORKSPACE_RUNTIME_FAILPOINTS: failpoints },
    },
  );
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr = (stderr + text).slice(-TAIL);
  });
  const over = new Promise<End>((resolve) => {
    child.once("close", (code, signal) => resolve({ code, signal }));
  });
  return {
    pid: child.pid ?? 0,
    ready: Promise.race([readyLine(child), over.then(() => false)]),
    over,
    isOver: () => child.exitCode !== null || child.signalCode !== null,
    kill(signal) {
      child.kill(signal);
      return over;
    },
    stderrTail: () => stderr,
  };
}

function readyLine({ stdout }: ChildProcess): Promise<true> {
  return new Promise((resolve) => {
    stdout?.on("data", (chunk) => {
      if (String(chunk).includes("\n")) resolve(true);
    });
  });
}
