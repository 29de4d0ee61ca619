import { resolve } from "node:path";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import {
  errorDetails,
  type ListWorkspacesRequestSchema,
  type RuntimeClient,
  type Workspace,
  WorkspaceState,
} from "../client/index.ts";
import { ExitError, usageError } from "./exit-error.ts";

/**
 * A workspace by its id, its directory or its branch: of those with this directory or branch the one
 * that is not archived, else the newest.
 * @throws ExitError when there is none, or when several are not archived.
 */
export async function findWorkspace(client: RuntimeClient, what: string): Promise<Workspace> {
  const byId = await getWorkspace(client, what);
  if (byId !== undefined) return byId;
  const directory = resolve(what);
  const found = (await listWorkspaces(client, {})).filter(
    ({ cwd, worktreePath, branchName }) =>
      cwd === directory || worktreePath === directory || branchName === what,
  );
  const live = found.filter(({ state }) => state !== WorkspaceState.ARCHIVED);
  if (live.length > 1) {
    const list = live.map(({ workspaceId, cwd }) => `\n  ${workspaceId}  ${cwd}`).join("");
    throw usageError(
      `${live.length} workspaces are meant by "${what}": say which by its id${list}`,
    );
  }
  const workspace = live[0] ?? found[0];
  if (workspace !== undefined) return workspace;
  throw new ExitError(
    `There is no workspace "${what}": \`workspace-runtime workspace list --all\` lists what there is.`,
  );
}

/** All pages, newest first. */
export async function listWorkspaces(
  client: RuntimeClient,
  filter: MessageInitShape<typeof ListWorkspacesRequestSchema>,
): Promise<Workspace[]> {
  const workspaces: Workspace[] = [];
  let pageToken = "";
  do {
    const page = await client.listWorkspaces({ ...filter, pageSize: 500, pageToken });
    workspaces.push(...page.workspaces);
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return workspaces;
}

async function getWorkspace(
  client: RuntimeClient,
  workspaceId: string,
): Promise<Workspace | undefined> {
  try {
    return (await client.getWorkspace({ workspaceId })).workspace;
  } catch (error) {
    // A directory or branch that cannot be an id is just as unknown.
    const { code } = errorDetails(error);
    if (code === Code.NotFound || code === Code.InvalidArgument) return undefined;
    throw error;
  }
}
