import type { Clock } from "../../clock.ts";
import { RuntimeError, type ServiceFailure } from "../../errors.ts";
import type { Failpoints } from "../../failpoints.ts";
import type { Operation } from "../../model/operation.ts";
import type { Service } from "../../model/service.ts";
import type { Workspace } from "../../model/workspace.ts";
import type { Store, StoreQueries } from "../../store/store.ts";
import type { AllowedRoots } from "../allowed-roots.ts";
import { refuseStale } from "../expected-revision.ts";
import type { OperationContext } from "../git-operation.ts";
import type { KeyedLock } from "../keyed-lock.ts";
import { locationOf } from "../place.ts";
import { isUnfinished, sweepUnfinished } from "../unfinished.ts";
import { workspaceNotFound } from "../update-workspace.ts";
import { validateCommandEnv } from "../validate-realize.ts";
import { worktreeParent } from "../worktree-path.ts";
import type { CleanupRequest, CleanupResult, WorkspaceServices } from "./cleanup-call.ts";
import { type CommandTools, findCommands, runCommand } from "./commands.ts";
import { type Inspection, type InspectionTools, inspectWorkspace } from "./inspect.ts";
import { keepWork } from "./keep-work.ts";
import { pathOf, type RunCleanupStep } from "./operation.ts";
import {
  mayDeleteBranch,
  planCleanup,
  planWarnings,
  readiness,
  skippedBranch,
  skipReason,
  whyItStays,
} from "./plan.ts";
import { deleteBranch, removeDirectory, removeEmptyParents } from "./remove.ts";

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
    return isCleaned(current) ? nothingToDo(current) : await clean(tools, request, current);
  });
}

export async function findWorkspace(store: StoreQueries, workspaceId: string): Promise<Workspace> {
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
  await tools.roots.resolve(pathOf(workspace));
  const inspection = await inspectWorkspace(tools, workspace);
  const { question, warnings, plannedActions, runIds } = await plan(
    tools,
    request,
    workspace,
    inspection,
  );
  const isLeased = !request.force && otherRuns(runIds, request).length > 0;
  const { git } = inspection;
  return {
    cleanedPath: plannedActions.some(isRemoval) ? inspection.path : "",
    cleaned: false,
    ...{ warnings, plannedActions, services: question.services, runIds },
    ready: readiness(isLeased || isRefused(request, inspection), warnings),
    ...(git === undefined ? {} : { git }),
    ...{ rescueRef: "", operations: [], workspace },
  };
}

async function plan(
  tools: CleanupTools,
  request: CleanupRequest,
  workspace: Workspace,
  inspection: Inspection,
) {
  const { onDirty = "RESCUE" } = request;
  const services = tools.services.ofWorkspace(servicesOwner(workspace, inspection));
  const commands = await findCommands(tools.store, workspace, request);
  const question = { workspace, inspection, services, commands, onDirty };
  const runIds = await holdersOf(tools.store, workspace, services);
  const plannedActions = planCleanup(question);
  return { question, warnings: planWarnings(question), plannedActions, runIds };
}

/** In a shared worktree only what is its own by scope is the workspace's to stop. */
function servicesOwner(workspace: Workspace, { holding }: Inspection): Workspace {
  return holding === "shared" ? { ...workspace, worktreePath: "" } : workspace;
}

async function clean(
  tools: CleanupTools,
  request: CleanupRequest,
  workspace: Workspace,
): Promise<CleanupResult> {
  const { store, clock, failpoints, repositories } = tools;
  const { onDirty = "RESCUE" } = request;
  const { workspaceId, companyId, projectWorkspaceId } = workspace;
  await tools.roots.resolve(pathOf(workspace));
  await tools.operations.settled(workspaceId);
  const before = await inspectWorkspace(tools, workspace);
  if (isRefused(request, before)) throw dirty(workspace, before);
  const { question, plannedActions } = await plan(tools, request, workspace, before);
  const runIds = await claim();
  await failpoints.hit("cleanup.claimed");

  const context: OperationContext = {
    ...{ companyId, workspaceId, projectWorkspaceId },
    issueId: workspace.issue?.issueId ?? "",
    ...(request.actor === undefined ? {} : { actor: request.actor }),
  };
  const warnings: string[] = [];
  const operations: Operation[] = [];
  const note = (done: { readonly operation?: Operation; readonly warning?: string }) => {
    if (done.operation !== undefined) operations.push(done.operation);
    if (done.warning !== undefined) warnings.push(done.warning);
  };

  await stopServices();
  await failpoints.hit("cleanup.services-stopped");
  if (before.holding !== "shared") {
    for (const command of question.commands) {
      note(await runCommand(tools, context, workspace, command, request.commandEnv));
      await failpoints.hit("cleanup.command-run");
    }
  }
  const outcome = await inTurn(removeAll);
  const concluded = await conclude(outcome);
  await failpoints.hit("cleanup.outcome-written");
  const stopped = await Promise.all(question.services.map(currentService));
  return {
    ...{ warnings, plannedActions, runIds, operations, services: stopped },
    ...{ cleaned: outcome.isRemoved, cleanedPath: outcome.cleanedPath },
    ready: readiness(false, warnings),
    ...(before.git === undefined ? {} : { git: before.git }),
    rescueRef: outcome.rescueRef,
    workspace: concluded,
  };

  /** From here on nobody else holds it. Answers who did. */
  async function claim(): Promise<string[]> {
    return await store.transaction(async (tx) => {
      refuseStale(request.expectedRevision, await tx.workspaces.get(workspaceId));
      const holders = await holdersOf(tx, workspace, question.services);
      const others = otherRuns(holders, request);
      if (others.length > 0 && !request.force) throw leased(workspace, others);
      await tx.leases.deleteByWorkspace(workspaceId);
      return holders;
    });
  }

  async function stopServices(): Promise<void> {
    const owner = servicesOwner(workspace, before);
    const { failures } = await tools.services.stopOfWorkspace(owner, "WORKSPACE_ARCHIVED");
    if (failures.length > 0 && !request.force) throw notStopped(workspace, failures);
    warnings.push(...failures.map(({ message }) => message));
  }

  async function currentService(service: Service): Promise<Service> {
    return (await store.services.get(service.serviceId)) ?? service;
  }

  async function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const { gitCommonDir } = workspace;
    return gitCommonDir === "" ? await work() : await repositories.run(gitCommonDir, work);
  }

  async function removeAll() {
    // Again: the commands may have changed anything.
    const found = await inspectWorkspace(tools, await findWorkspace(store, workspaceId));
    const rescue = await makeRoom(found);
    const mayRemove = rescue !== undefined && ["worktree", "directory"].includes(found.holding);
    let cleanedPath = "";
    let isRemoved = !found.isThere || ["primary", "found", "shared"].includes(found.holding);
    if (mayRemove) {
      const removed = await removeDirectory(tools, context, workspace, found);
      await failpoints.hit("cleanup.directory-removed");
      note(removed);
      isRemoved = !found.isThere || removed.warning === undefined;
      if (removed.operation !== undefined && isRemoved) cleanedPath = found.path;
    }
    if (isRemoved && ["PROVISIONING", "FAILED"].includes(workspace.state)) {
      const { repository } = found;
      if (repository !== undefined) {
        await sweepUnfinished(repository, workspace.branchName, found.path);
      }
    }
    const isBranchGone = await removeBranch(found, isRemoved);
    // Also those that a cleanup which was cut off has left.
    if (isRemoved && workspace.directoryCreated && found.repository !== undefined) {
      const requested = workspace.gitWorktree?.worktreeParentDir ?? "";
      const { root } = found.repository;
      const { path: parent } = worktreeParent(root, requested, tools.settings.worktreeDir);
      await removeEmptyParents(found.path, parent);
    }
    const rescueRef = rescue?.ref ?? (found.isThere ? "" : workspace.rescueRef);
    return { found, isRemoved, isBranchGone, cleanedPath, rescueRef };
  }

  /** Undefined: the directory stays, and why is a warning. Else the rescue that its work is in. */
  async function makeRoom(found: Inspection): Promise<{ ref: string } | undefined> {
    const stays = whyItStays(found, onDirty, companyId);
    if (stays !== undefined) {
      if (found.holding !== "primary") warnings.push(stays);
      return undefined;
    }
    if (found.holding !== "worktree" || !found.isThere) return { ref: workspace.rescueRef };
    let current = found;
    let ref = "";
    let kept: string | undefined;
    for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt += 1) {
      const { state, repository } = current;
      if (onDirty === "DISCARD" || isUntouched(current)) return { ref };
      if (current.hasWork && onDirty === "REFUSE") {
        warnings.push(`Left "${found.path}": it has uncommitted work`);
        return undefined;
      }
      if (state === undefined || repository === undefined) break;
      if (current.hasWork && kept !== state.fingerprint) {
        const row = await findWorkspace(store, workspaceId);
        const saved = await keepWork(tools, context, row, state, found.path, repository.gitCwd);
        note(saved);
        await failpoints.hit("cleanup.rescued");
        if (saved.ref === "") return undefined;
        ref = saved.ref;
        kept = state.fingerprint;
      }
      // Somebody may be at work still: only what is as it was saved is removed.
      const now = await inspectWorkspace(tools, workspace);
      if (now.state?.fingerprint === state.fingerprint) return { ref };
      current = now;
    }
    warnings.push(`Left "${found.path}": it changed while it was being cleaned`);
    return undefined;
  }

  async function removeBranch(found: Inspection, isRemoved: boolean): Promise<boolean> {
    const { branch, repository } = found;
    if (branch === undefined || repository === undefined) return repository !== undefined;
    if (!mayDeleteBranch(found, isRemoved)) return false;
    const skipped = skipReason(found);
    if (skipped !== undefined) {
      warnings.push(skippedBranch(workspace.branchName, skipped));
      return false;
    }
    const { gitCwd } = repository;
    const deleted = await deleteBranch(tools.runStep, context, workspace, branch.tip, gitCwd);
    await failpoints.hit("cleanup.branch-deleted");
    note(deleted);
    return deleted.warning === undefined;
  }

  async function conclude({
    found,
    isRemoved,
    isBranchGone,
    rescueRef,
  }: Awaited<ReturnType<typeof removeAll>>): Promise<Workspace> {
    return await store.transaction(async (tx) => {
      await tx.leases.deleteByWorkspace(workspaceId);
      if (isRemoved) await tx.ports.releaseScope(companyId, workspaceId);
      // Who stays in the directory takes over what is known of who made it.
      const [heir] = found.holding === "shared" ? found.others : [];
      if (heir !== undefined && workspace.directoryCreated) {
        const isSameBranch = heir.branchName === workspace.branchName && workspace.branchCreated;
        await tx.workspaces.update(heir.workspaceId, {
          directoryCreated: true,
          ...(isSameBranch ? { branchCreated: true } : {}),
        });
      }
      const isDetached = heir !== undefined;
      const updated = await tx.workspaces.update(workspaceId, {
        state: isRemoved ? "ARCHIVED" : "CLEANUP_FAILED",
        stateMessage: isRemoved ? "" : warnings.join(" | "),
        ...(isRemoved ? { cleanupTime: clock.now(), directoryCreated: false } : {}),
        ...(isBranchGone || isDetached ? { branchCreated: false } : {}),
        rescueRef,
      });
      return updated ?? workspace;
    });
  }
}

/** How often work that changes while it is saved is saved again. */
const MOST_ATTEMPTS = 3;

async function holdersOf(
  store: StoreQueries,
  { workspaceId }: Workspace,
  services: readonly Service[],
): Promise<string[]> {
  const leases = await store.leases.holdersOfWorkspace(workspaceId);
  for (const { serviceId } of services) {
    leases.push(...(await store.leases.holdersOfService(serviceId)));
  }
  return [...new Set(leases.map(({ runId }) => runId))];
}

function otherRuns(runIds: readonly string[], { actor }: CleanupRequest): string[] {
  return runIds.filter((runId) => runId !== actor?.runId);
}

/** What a killed `git worktree add` left: nobody has worked in it, and git cannot tell its state. */
function isUntouched({ registered }: Inspection): boolean {
  return registered === undefined || isUnfinished(registered);
}

function isRefused({ onDirty }: CleanupRequest, inspection: Inspection): boolean {
  return onDirty === "REFUSE" && inspection.holding === "worktree" && inspection.hasWork;
}

function isRemoval({ kind }: { readonly kind: string }): boolean {
  return kind === "git_worktree_remove" || kind === "remove_local_fs";
}

function dirty({ workspaceId }: Workspace, { path, state }: Inspection): RuntimeError {
  const { modifiedFiles = 0, untrackedFiles = 0, sample = [] } = state ?? {};
  const files = `${modifiedFiles} modified and ${untrackedFiles} untracked file(s)`;
  const what =
    sample.length === 0 ? "commits that no branch has" : `${files}, such as ${sample.join(", ")}`;
  return new RuntimeError("WORKSPACE_DIRTY", `"${path}" has work that is not committed: ${what}`, {
    metadata: {
      ...{ workspace_id: workspaceId, path },
      ...{ dirty_files: modifiedFiles, untracked_files: untrackedFiles, sample: sample.join("\n") },
    },
  });
}

function leased({ workspaceId }: Workspace, runIds: readonly string[]): RuntimeError {
  const holders = runIds.join(",");
  const message = `the workspace is leased by ${holders}: release that run, or clean with force`;
  return new RuntimeError("WORKSPACE_LEASED", message, {
    metadata: { workspace_id: workspaceId, holder_run_ids: holders },
  });
}

function notStopped({ workspaceId }: Workspace, failures: readonly ServiceFailure[]): RuntimeError {
  const message = failures.map((failure) => failure.message).join("; ");
  return new RuntimeError("STOP_NOT_PROVEN", message, {
    metadata: { workspace_id: workspaceId },
    failures,
  });
}
