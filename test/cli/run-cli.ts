import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { eventually } from "../support/eventually.ts";

export interface CliRun {
  readonly child: ChildProcess;
  readonly output: { stdout: string; stderr: string };
  /** Resolves with the exit code, or the signal's name. */
  readonly ended: Promise<number | NodeJS.Signals | null>;
  /** Waits until standard output has this. */
  says(text: string | RegExp): Promise<void>;
}

const MAIN = fileURLToPath(new URL("../../src/main.ts", import.meta.url));

/** The command line as people start it, without the settings of this process's environment. */
export function startCli(args: readonly string[], env: NodeJS.ProcessEnv = {}): CliRun {
  const own = Object.entries(process.env).filter(([key]) => !key.startsWith("WORKSPACE_RUNTIME_"));
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: { ...Object.fromEntries(own), ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const output = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (text: string) => {
      output[name] += text;
    });
  }
  return {
    child,
    output,
    ended: once(child, "close").then(([code, signal]) => code ?? signal),
    says: async (text) => {
      await eventually(() => output.stdout.match(text) !== null, { timeoutMs: 60_000 }).catch(
        () => {
          throw new Error(`it did not say ${text}, but:\n${output.stdout}${output.stderr}`);
        },
      );
    },
  };
}

export async function runCli(args: readonly string[], env?: NodeJS.ProcessEnv) {
  const { ended, output } = startCli(args, env);
  return { code: await ended, ...output };
}
