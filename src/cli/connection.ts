import type { Command } from "commander";
import { createClient, dataDirOf, type RuntimeClient } from "../client/index.ts";

export interface ConnectionOptions {
  readonly address?: string;
  readonly dataDir?: string;
}

/** The options of every command that calls a server. */
export function addConnectionOptions(command: Command): Command {
  return command
    .option(
      "--address <URL>",
      "of the server; its token: WORKSPACE_RUNTIME_TOKEN [WORKSPACE_RUNTIME_ADDRESS]",
    )
    .option(
      "--data-dir <DIR>",
      "find address and token of the server in this directory [WORKSPACE_RUNTIME_DATA_DIR]",
    );
}

/** Runs `action` with a client, which is closed after it. */
export async function withClient<T>(
  options: ConnectionOptions,
  action: (client: RuntimeClient) => Promise<T>,
): Promise<T> {
  // One try: a person would rather read what is wrong than wait.
  using client = createClient({ ...options, maxAttempts: 1 });
  return await action(client);
}

/** True if the caller named a server of its own: then none is started here. */
export function namesServer(options: ConnectionOptions): boolean {
  if (options.address !== undefined) return true;
  return options.dataDir === undefined && Boolean(process.env.WORKSPACE_RUNTIME_ADDRESS);
}

export function dataDirectoryOf(options: ConnectionOptions): string {
  return dataDirOf(options);
}
