import { Command } from "commander";
import { dataDirOf, locateToken, tokenFileOf } from "../client/index.ts";
import { ExitError } from "./exit-error.ts";
import { writeLine } from "./terminal.ts";

/** `token`: what TCP clients send; on standard output alone, so that `$(workspace-runtime token)` is the token. */
export function tokenCommand(): Command {
  return new Command("token")
    .description("print the token that clients on TCP send, and say where it lies")
    .option("--data-dir <DIR>", "of the server [WORKSPACE_RUNTIME_DATA_DIR]")
    .option("--json", "token and place as JSON")
    .action(token);
}

interface TokenOptions {
  readonly dataDir?: string;
  readonly json?: boolean;
}

async function token(options: TokenOptions): Promise<void> {
  const fromVariable = options.dataDir === undefined && process.env.WORKSPACE_RUNTIME_TOKEN;
  const place = fromVariable ? "WORKSPACE_RUNTIME_TOKEN" : tokenFileOf(options);
  const found = locateToken(options);
  if (found === "") {
    throw new ExitError(
      `There is no token in ${dataDirOf(options)}: a server makes it at its first start (\`workspace-runtime serve\`); --data-dir names another directory.`,
    );
  }
  if (options.json) return writeLine(JSON.stringify({ token: found, from: place }));
  await writeLine(found);
  await writeLine(`(from ${place})`, process.stderr);
}
