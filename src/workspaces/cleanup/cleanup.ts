import type { Clock } from "../../clock.ts";
import type { Failpoints } from "../../failpoints.ts";
import type { Operation } from "../../model/operation.ts";
import type { Service } from "../../model/service.ts";
import type { Workspace } from "../../model/workspace.ts";
import type { Store } from "../../store/store.ts";
import type { AllowedRoots } from "../allowed-roots.ts";
import { refuseStale } from "../expected-revision.ts";
import type { OperationContext } from "../git-operation.ts";
import type { KeyedLock } from "../keyed-lock.ts";
import { locationOf } from "../place.ts";
import { workspaceNotFound } from "../update-workspace.ts";
import { validateCommandEnv } from "../validate-realize.ts";
import type { CleanupRequest, CleanupResult, WorkspaceServices } from "./cleanup-call.ts";
import { type CommandTools, findCommands, runCommand } from "./commands.ts";
import { concludeCleanup } from "./conclude.ts";
import { claimForCleanup, findHolders, inTheWay } from "./holders.ts";
import { type Inspection, type InspectionTools, inspectWorkspace } from "./inspect.ts";
import { pathOf, type RunCleanupStep } from "./operation.ts";
import { planCleanup, planWarnings, readiness } from "./plan.ts";
import { isRefusedAsDirty, stopNotProven, workspaceDirty } from "./refusals.ts";
import { type Noted, removeWhatIsOurs } from "./removal.ts";

export interface CleanupTools extends InspectionTools, CommandTools {
  readonly store: Store;
  readonly clock: Clock;
  readonly failpoints: Failpoints;
  readonly roots: AllowedRoots;
  readonly services: WorkspaceServices;
  readonly runStep: RunCleanupStep;
  /** One at a time in a workspace's place, realize included. */
  readonly locations: KeyedLock;
  /** One writer at a time in a repository. */
  readonly repositories: KeyedLock;
  readonly settings: { readonly envPrefix: string; readonly worktreeDir: string };
}

/**
 * Ends a workspace (behaviour.md 4): services, commands, kept work, directory, branch. What fails on
 * the way is a warning, and each step finds what an earlier cleanup that was cut off has done. Throws
 * WORKSPACE_NOT_FOUND, STALE_REVISION, WORKSPACE_LEASED, WORKSPACE_DIRTY, PATH_NOT_ALLOWED before
 * anything is touched, and STOP_NOT_PROVEN.
 */
export async function cleanUp(
  tools: CleanupTools,
  request: CleanupRequest,
): Promise<CleanupResult> {
  validateCommandEnv(request.commandEnv);
  const workspace = await findWorkspace(tools.store, request.workspaceId);
  if (request.dryRun) return await previewCleanup(tools, request, workspace);
  return await tools.locations.run(locationOf(workspace), async () => {
    const current = await findWorkspace(tools.store, request.workspaceId);
    refuseStale(request.expectedRevision, current);
    if (!isCleaned(current)) return await clean(tools, request, current);
    // Of one that died before its last step: those that came while it went. What it shared may be another's by now.
    const alone = { ...current, worktreePath: "" };
    const { failures } = await tools.services.stopOfWorkspace(alone, "WORKSPACE_ARCHIVED");
    return { ...nothingToDo(current), warnings: failures.map(({ message }) => message) };
  });
}

export async function findWorkspace(store: Store, workspaceId: string): Promise<Workspace> {
  const workspace = await store.workspaces.get(workspaceId);
  if (workspace === undefined) throw workspaceNotFound(workspaceId);
  return workspace;
}

/** One that was only marked ARCHIVED has no cleanup time. */
function isCleaned({ state, cleanupTime, directoryCreated }: Workspace): boolean {
  return state === "ARCHIVED" && cleanupTime !== undefined && !directoryCreated;
}

function nothingToDo(workspace: Workspace): CleanupResult {
  return {
    ...{ cleanedPath: "", cleaned: true, warnings: [], plannedActions: [], services: [] },
    ...{ runIds: [], ready: "READY", rescueRef: workspace.rescueRef, operations: [], workspace },
  };
}

async function previewCleanup(
  tools: CleanupTools,
  request: CleanupRequest,
  workspace: Workspace,
): Promise<CleanupResult> {
  refuseStale(request.expectedRevision, workspace);
  if (isCleaned(workspace)) return nothingToDo(workspace);
  const inspection = await look(tools, workspace);
  const question = await ask(tools, request, workspace, inspection);
  const runIds = await findHolders(tools.store, workspace, question.services);
  const plannedActions = planCleanup(question);
  const warnings = planWarnings(question);
  const isBlocked = inTheWay(runIds, request).length > 0 || isRefusedAsDirty(request, inspection);
  const { git } = inspection;
  return {
    cleanedPath: plannedActions.some(isRemoval) ? inspection.path : "",
    cleaned: false,
    ...{ warnings, plannedActions, services: question.services, runIds },
    ready: readiness(isBlocked, warnings),
    ...(git === undefined ? {} : { git }),
    ...{ rescueRef: "", operations: [], workspace },
  };
}

async function look(tools: CleanupTools, workspace: Workspace): Promise<Inspection> {
  await tools.roots.resolve(pathOf(workspace));
  return await inspectWorkspace(tools, workspace);
}

/** What the plan is made from. */
async function ask(
  { store, services }: CleanupTools,
  request: CleanupRequest,
  workspace: Workspace,
  inspection: Inspection,
) {
  return {
    ...{ workspace, inspection },
    services: services.ofWorkspace(ownerOfServices(workspace, inspection)),
    commands: await findCommands(store, workspace, request),
    onDirty: request.onDirty ?? "RESCUE",
  };
}

/** In a shared worktree only what is its own by scope is the workspace's to stop. */
function ownerOfServices(workspace: Workspace, { holding }: Inspection): Workspace {
  return holding === "shared" ? { ...workspace, worktreePath: "" } : workspace;
}

async function clean(
  tools: CleanupTools,
  request: CleanupRequest,
  workspace: Workspace,
): Promise<CleanupResult> {
  const { store, clock, failpoints } = tools;
  const { workspaceId, companyId, projectWorkspaceId, gitCommonDir } = workspace;
  await tools.operations.settled(workspaceId);
  const before = await look(tools, workspace);
  if (isRefusedAsDirty(request, before)) throw workspaceDirty(workspace, before);
  const question = await ask(tools, request, workspace, before);
  const runIds = await claimForCleanup(store, request, workspace, question.services);
  await failpoints.hit("cleanup.claimed");

  const context: OperationContext = {
    ...{ companyId, workspaceId, projectWorkspaceId },
    issueId: workspace.issue?.issueId ?? "",
    ...(request.actor === undefined ? {} : { actor: request.actor }),
  };
  const warnings: string[] = [];
  const operations: Operation[] = [];
  const note = ({ operation, warning }: Noted): undefined => {
    if (operation !== undefined) operations.push(operation);
    if (warning !== undefined) warnings.push(warning);
  };

  await stopServices();
  await failpoints.hit("cleanup.services-stopped");
  if (before.holding !== "shared") {
    for (const command of question.commands) {
      note(await runCommand(tools, context, workspace, command, request.commandEnv));
      await failpoints.hit("cleanup.command-run");
    }
  }
  const remove = () => removeWhatIsOurs(tools, { workspace, request, context, note });
  const removal = await (gitCommonDir === ""
    ? remove()
    : tools.repositories.run(gitCommonDir, remove));
  const concluded = await concludeCleanup(store, clock.now(), workspace, removal, warnings);
  await failpoints.hit("cleanup.outcome-written");
  // Those that came while it went; now that it is archived there will be no more.
  if (isCleaned(concluded)) await stopServices();
  const { isRemoved: cleaned, cleanedPath, rescueRef } = removal;
  return {
    ...{ cleaned, cleanedPath, rescueRef, warnings, operations, runIds },
    plannedActions: planCleanup(question),
    services: await Promise.all(question.services.map(asItIsNow)),
    ready: readiness(false, warnings),
    ...(before.git === undefined ? {} : { git: before.git }),
    workspace: concluded,
  };

  async function stopServices(): Promise<void> {
    const owner = ownerOfServices(workspace, before);
    const { failures } = await tools.services.stopOfWorkspace(owner, "WORKSPACE_ARCHIVED");
    if (failures.length > 0 && !request.force) throw stopNotProven(workspace, failures);
    for (const { message } of failures) note({ warning: message });
  }

  async function asItIsNow(service: Service): Promise<Service> {
    return (await store.services.get(service.serviceId)) ?? service;
  }
}

function isRemoval({ kind }: { readonly kind: string }): boolean {
  return kind === "git_worktree_remove" || kind === "remove_local_fs";
}
