import { Command, CommanderError } from "commander";
import packageFacts from "../../package.json" with { type: "json" };
import { ConfigError } from "../config.ts";
import { ExitError } from "./exit-error.ts";

/** One file a command, read when it is asked for: a server does not wait for what only `up` needs. */
const commands: Readonly<Record<string, () => Promise<Command>>> = {
  serve: async () => (await import("./serve.ts")).serveCommand(),
  up: async () => (await import("./up.ts")).upCommand(),
  ps: async () => (await import("./ps.ts")).psCommand(),
  describe: async () => (await import("./describe.ts")).describeCommand(),
  logs: async () => (await import("./logs.ts")).logsCommand(),
  watch: async () => (await import("./watch.ts")).watchCommand(),
  stop: async () => (await import("./stop.ts")).stopCommand(),
  workspace: async () => (await import("./workspace.ts")).workspaceCommand(),
  rescue: async () => (await import("./rescue.ts")).rescueCommand(),
  gc: async () => (await import("./gc.ts")).gcCommand(),
  doctor: async () => (await import("./doctor.ts")).doctorCommand(),
  health: async () => (await import("./health.ts")).healthCommand(),
  token: async () => (await import("./token.ts")).tokenCommand(),
};

/** The command line, with the command that is asked for; with all of them for who asks for help or for none that is there. */
async function buildProgram(asked: string): Promise<Command> {
  const program = new Command("workspace-runtime")
    .description(
      "Workspaces and services for agents: worktrees, dev servers, their logs and status.",
    )
    .version(packageFacts.version)
    .showHelpAfterError("(--help says more)")
    .addHelpText("after", "\nExit codes: 0 done, 1 failed, 2 wrongly asked.");
  const load = Object.hasOwn(commands, asked) ? commands[asked] : undefined;
  const wanted = load === undefined ? Object.values(commands) : [load];
  for (const command of await Promise.all(wanted.map((each) => each()))) {
    program.addCommand(command.exitOverride().showHelpAfterError("(--help says more)"));
  }
  return program.exitOverride();
}

/** Runs one command; answers its exit code: 0 done, 1 failed, 2 wrongly asked. */
export async function runProgram(argv: readonly string[]): Promise<number> {
  try {
    const program = await buildProgram(argv[2] ?? "");
    await program.parseAsync(argv);
    return 0;
  } catch (error) {
    // Commander has said already what it did not like, or what was asked for (--help).
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    if (error instanceof ExitError && error.message === "") return error.exitCode;
    const { explain } = await import("./explain-error.ts");
    process.stderr.write(`${explain(error)}\n`);
    if (error instanceof ConfigError) return 2;
    return error instanceof ExitError ? error.exitCode : 1;
  }
}
