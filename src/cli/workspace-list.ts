import { toJson } from "@bufbuild/protobuf";
import { Command } from "commander";
import { type Workspace, WorkspaceSchema, WorkspaceState } from "../client/index.ts";
import { addConnectionOptions, type ConnectionOptions, withClient } from "./connection.ts";
import { listWorkspaces } from "./find-workspace.ts";
import { table } from "./table.ts";
import { writeLine } from "./terminal.ts";
import { age, nameOf, shortPath } from "./words.ts";

/** `workspace list`: the workspaces, newest first. */
export function workspaceListCommand(): Command {
  return addConnectionOptions(new Command("list"))
    .description("list workspaces: states, branches, directories")
    .option("-a, --all", "the archived ones too")
    .option("--company <ID>", "only this company's")
    .option("--json", "as the API has them")
    .action(list);
}

interface ListOptions extends ConnectionOptions {
  readonly all?: boolean;
  readonly company?: string;
  readonly json?: boolean;
}

async function list(options: ListOptions): Promise<void> {
  const filter = { companyId: options.company ?? "", states: options.all ? [] : [...NOT_ARCHIVED] };
  const workspaces = await withClient(options, (client) => listWorkspaces(client, filter));
  if (options.json) {
    const messages = workspaces.map((workspace) => toJson(WorkspaceSchema, workspace));
    await writeLine(JSON.stringify({ workspaces: messages }, undefined, 2));
  } else if (workspaces.length > 0) {
    await writeLine(
      table(["NAME", "STATE", "BRANCH", "USED", "DIRECTORY", "ID"], workspaces.map(row)),
    );
  } else {
    await writeLine(
      options.all ? "No workspaces." : "No workspaces; --all lists the archived ones too.",
    );
  }
}

const NOT_ARCHIVED: readonly WorkspaceState[] = [
  WorkspaceState.PROVISIONING,
  WorkspaceState.ACTIVE,
  WorkspaceState.IDLE,
  WorkspaceState.IN_REVIEW,
  WorkspaceState.CLEANUP_FAILED,
  WorkspaceState.FAILED,
];

function row(workspace: Workspace): string[] {
  const { name, state, branchName, lastUsedTime, cwd, workspaceId } = workspace;
  const used = age(lastUsedTime);
  return [
    name || "-",
    nameOf(WorkspaceState, state),
    branchName || "-",
    used === "" ? "" : `${used} ago`,
    shortPath(cwd),
    workspaceId,
  ];
}
