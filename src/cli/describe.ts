import { Command } from "commander";
import type { Service, Workspace } from "../client/index.ts";
import { addConnectionOptions, type ConnectionOptions, withClient } from "./connection.ts";
import { describeService } from "./describe-service.ts";
import { describeWorkspace } from "./describe-workspace.ts";
import { ExitError } from "./exit-error.ts";
import { findService } from "./find-service.ts";
import { findWorkspace } from "./find-workspace.ts";
import { writeLine } from "./terminal.ts";

/** `describe`: all that is known of one service or workspace, for who looks for what is wrong. */
export function describeCommand(): Command {
  return addConnectionOptions(new Command("describe"))
    .description(
      "show all that is known of a service or workspace, and what was found wrong with it",
    )
    .argument(
      "<SERVICE|WORKSPACE>",
      "a service's id or name; a workspace's id, directory or branch",
    )
    .option("--json", "as the API has it")
    .action(describe);
}

/** What a describer makes: sections for people, and the same facts for programs. */
export interface Description {
  readonly text: string;
  readonly json: object;
}

async function describe(
  what: string,
  options: ConnectionOptions & { readonly json?: boolean },
): Promise<void> {
  const { text, json } = await withClient(options, async (client) => {
    const service = await unlessMissing(() => findService(client, what));
    if (service !== undefined) return describeService(client, service);
    const workspace = await unlessMissing(() => findWorkspace(client, what));
    if (workspace !== undefined) return describeWorkspace(client, workspace);
    throw new ExitError(
      `There is no service or workspace "${what}": \`workspace-runtime ps --all\` and \`workspace-runtime workspace list --all\` list what there is.`,
    );
  });
  await writeLine(options.json ? JSON.stringify(json, undefined, 2) : text);
}

/** Undefined when there is none; several of one name stay the error that they are. */
async function unlessMissing<T extends Service | Workspace>(
  find: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await find();
  } catch (error) {
    if (error instanceof ExitError && error.exitCode === 1) return undefined;
    throw error;
  }
}
