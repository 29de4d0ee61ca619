import { Command } from "commander";
import { checkHealth } from "../client/index.ts";
import { addConnectionOptions, type ConnectionOptions } from "./connection.ts";
import { ExitError } from "./exit-error.ts";
import { explain } from "./explain-error.ts";
import { writeLine } from "./terminal.ts";

/** `health`: whether the server serves, as the exit code. Needs no token. */
export function healthCommand(): Command {
  return addConnectionOptions(new Command("health"))
    .description("exit with 0 if the server serves, else with 1; needs no token")
    .option("--json", "the answer as JSON")
    .action(health);
}

async function health(options: ConnectionOptions & { readonly json?: boolean }): Promise<void> {
  const { status, problem } = await ask(options);
  if (options.json) {
    await writeLine(JSON.stringify({ status, ...(problem === "" ? {} : { problem }) }));
    if (status !== "SERVING") throw new ExitError("");
  } else if (status === "SERVING") {
    await writeLine("serving");
  } else {
    throw new ExitError(problem || "The server does not serve yet, or no longer.");
  }
}

async function ask(
  options: ConnectionOptions,
): Promise<{ status: "SERVING" | "NOT_SERVING" | "UNREACHABLE"; problem: string }> {
  try {
    return { status: await checkHealth(options), problem: "" };
  } catch (error) {
    return { status: "UNREACHABLE", problem: explain(error) };
  }
}
