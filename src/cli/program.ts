import { Command, CommanderError } from "commander";
import packageFacts from "../../package.json" with { type: "json" };
import { ConfigError } from "../config.ts";
import { describeCommand } from "./describe.ts";
import { doctorCommand } from "./doctor.ts";
import { ExitError } from "./exit-error.ts";
import { explain } from "./explain-error.ts";
import { gcCommand } from "./gc.ts";
import { healthCommand } from "./health.ts";
import { logsCommand } from "./logs.ts";
import { psCommand } from "./ps.ts";
import { rescueCommand } from "./rescue.ts";
import { serveCommand } from "./serve.ts";
import { stopCommand } from "./stop.ts";
import { tokenCommand } from "./token.ts";
import { upCommand } from "./up.ts";
import { watchCommand } from "./watch.ts";
import { workspaceCommand } from "./workspace.ts";

/** The command line: one file a command. */
export function buildProgram(): Command {
  const program = new Command("workspace-runtime")
    .description(
      "Workspaces and services for agents: worktrees, dev servers, their logs and status.",
    )
    .version(packageFacts.version)
    .showHelpAfterError("(--help says more)")
    .addHelpText("after", "\nExit codes: 0 done, 1 failed, 2 wrongly asked.");
  for (const command of [
    serveCommand(),
    upCommand(),
    psCommand(),
    describeCommand(),
    logsCommand(),
    watchCommand(),
    stopCommand(),
    workspaceCommand(),
    rescueCommand(),
    gcCommand(),
    doctorCommand(),
    healthCommand(),
    tokenCommand(),
  ]) {
    program.addCommand(command.exitOverride().showHelpAfterError("(--help says more)"));
  }
  return program.exitOverride();
}

/** Runs one command; answers its exit code: 0 done, 1 failed, 2 wrongly asked. */
export async function runProgram(argv: readonly string[]): Promise<number> {
  try {
    await buildProgram().parseAsync(argv);
    return 0;
  } catch (error) {
    // Commander has said already what it did not like, or what was asked for (--help).
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    if (error instanceof ExitError && error.message === "") return error.exitCode;
    process.stderr.write(`${explain(error)}\n`);
    if (error instanceof ConfigError) return 2;
    return error instanceof ExitError ? error.exitCode : 1;
  }
}
