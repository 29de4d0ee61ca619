import { Command } from "commander";
import { serveCommand } from "./serve.ts";

/** The command line: one file a command. */
export function buildProgram(): Command {
  return new Command("workspace-runtime").addCommand(serveCommand());
}

/** Runs one command; answers its exit code: 0 done, 1 failed, 2 wrongly asked. */
export async function runProgram(argv: readonly string[]): Promise<number> {
  try {
    await buildProgram().parseAsync(argv);
    return 0;
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`);
    return 1;
  }
}
