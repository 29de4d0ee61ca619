import { lstat } from "node:fs/promises";
import { gitEnvironment } from "../../git/environment.ts";
import type { Operation } from "../../model/operation.ts";
import type { Workspace } from "../../model/workspace.ts";
import type { Operations } from "../../operations/operations.ts";
import type { Store } from "../../store/store.ts";
import { workspaceVariables } from "../command-env.ts";
import type { OperationContext } from "../git-operation.ts";
import type { ActionKind, CleanupRequest, PlannedAction } from "./cleanup-call.ts";
import { cleanupMetadata, isSuccess, pathOf } from "./operation.ts";

export interface EndCommand {
  readonly kind: Extract<ActionKind, `${string}_command`>;
  readonly command: string;
}

/** The commands that end a workspace, in their order: its own, its project's, the teardown. */
export async function findCommands(
  store: Store,
  workspace: Workspace,
  request: Pick<CleanupRequest, "cleanupCommand" | "teardownCommand">,
): Promise<EndCommand[]> {
  const { gitWorktree, projectWorkspaceId } = workspace;
  const isPrimary = workspace.strategy === "PROJECT_PRIMARY" && !workspace.directoryCreated;
  const project =
    isPrimary || projectWorkspaceId === ""
      ? undefined
      : await store.projectWorkspaces.get(projectWorkspaceId);
  const isOwn = project?.companyId === workspace.companyId;
  const commands: EndCommand[] = [
    {
      kind: "cleanup_command",
      command: request.cleanupCommand ?? gitWorktree?.cleanupCommand ?? "",
    },
    { kind: "project_cleanup_command", command: isOwn ? project.cleanupCommand : "" },
    {
      kind: "teardown_command",
      command: request.teardownCommand ?? gitWorktree?.teardownCommand ?? "",
    },
  ];
  return commands.filter(({ command }) => command !== "");
}

const DESCRIPTIONS: Readonly<Record<EndCommand["kind"], string>> = {
  cleanup_command: "Run the workspace's cleanup command",
  project_cleanup_command: "Run the project workspace's cleanup command",
  teardown_command: "Run the workspace's teardown command",
};

export function planOf({ kind, command }: EndCommand): PlannedAction {
  return { kind, description: DESCRIPTIONS[kind], command };
}

export interface CommandTools {
  readonly operations: Operations;
  readonly baseEnv: () => Promise<Readonly<Record<string, string>>>;
  readonly settings: { readonly envPrefix: string };
}

/** Runs one; in the workspace's directory, or beside it where that is gone. */
export async function runCommand(
  { operations, baseEnv, settings }: CommandTools,
  context: OperationContext,
  workspace: Workspace,
  { command }: EndCommand,
  commandEnv: Readonly<Record<string, string>>,
): Promise<{ operation: Operation; warning?: string }> {
  const path = pathOf(workspace);
  const { operation } = await operations.run({
    ...context,
    phase: "WORKSPACE_TEARDOWN",
    command,
    process: { kind: "command", command },
    cwd: (await isDirectory(path)) ? path : workspace.repoRoot || workspace.baseCwd,
    env: {
      ...gitEnvironment(await baseEnv()),
      ...commandEnv,
      ...workspaceVariables(settings.envPrefix, workspace, false),
    },
    message: `Completed cleanup command "${command}"`,
    metadata: cleanupMetadata(workspace),
  });
  return isSuccess(operation) ? { operation } : { operation, warning: operation.message };
}

async function isDirectory(path: string): Promise<boolean> {
  return await lstat(path).then(
    (stats) => stats.isDirectory(),
    () => false,
  );
}
