import { toJson } from "@bufbuild/protobuf";
import { Command } from "commander";
import {
  type RestoreWorkspaceResponse,
  RestoreWorkspaceResponseSchema,
  type RuntimeClient,
} from "../client/index.ts";
import { addConnectionOptions, type ConnectionOptions, withClient } from "./connection.ts";
import { findWorkspace } from "./find-workspace.ts";
import { writeLine } from "./terminal.ts";

/** `workspace restore`: brings a cleaned workspace back. */
export function workspaceRestoreCommand(): Command {
  return addConnectionOptions(new Command("restore"))
    .description("bring a cleaned workspace back: its worktree, branch and rescued work")
    .argument("<WORKSPACE>", "id, directory or branch")
    .option("--json", "the answer of the API")
    .action(async (what: string, options: RestoreOptions) => {
      await withClient(options, async (client) => {
        const { workspaceId } = await findWorkspace(client, what);
        await restore(client, workspaceId, options);
      });
    });
}

export interface RestoreOptions extends ConnectionOptions {
  readonly json?: boolean;
}

/** Restores and shows what was done. */
export async function restore(
  client: RuntimeClient,
  workspaceId: string,
  { json }: RestoreOptions,
): Promise<void> {
  const answer = await client.restoreWorkspace({ workspaceId });
  if (json) {
    await writeLine(JSON.stringify(toJson(RestoreWorkspaceResponseSchema, answer), undefined, 2));
  } else {
    await show(answer);
  }
}

async function show({ operations, workspace }: RestoreWorkspaceResponse): Promise<void> {
  for (const { message } of operations) await writeLine(message);
  for (const warning of workspace?.warnings ?? []) {
    await writeLine(`Warning: ${warning}`, process.stderr);
  }
  await writeLine(`It is at ${workspace?.cwd}`);
}
