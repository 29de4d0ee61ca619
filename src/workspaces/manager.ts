import type { Clock } from "../clock.ts";
import { RuntimeError } from "../errors.ts";
import type { Failpoints } from "../failpoints.ts";
import { createGit } from "../git/git.ts";
import { createRepositoryFinder } from "../git/repository-finder.ts";
import { leaseWorkspace } from "../leases/leases.ts";
import type { RunCall, RunCalls } from "../leases/run-calls.ts";
import type { Logger } from "../logger.ts";
import type { Lease } from "../model/lease.ts";
import type { Actor, Workspace } from "../model/workspace.ts";
import type { Operations } from "../operations/operations.ts";
import type { Services } from "../services/services.ts";
import type { Store } from "../store/store.ts";
import { createAllowedRoots } from "./allowed-roots.ts";
import { answer } from "./answer.ts";
import { createEndings } from "./cleanup/endings.ts";
import { createGitOperation } from "./git-operation.ts";
import { importWorkspace } from "./import-workspace.ts";
import { createJoinedCalls } from "./joined-calls.ts";
import { createKeyedLock } from "./keyed-lock.ts";
import { findPlace, locationOf, type Place, readPlace } from "./place.ts";
import { type Realized, realizeWorktree, type WorktreeDependencies } from "./realize-worktree.ts";
import { saveWorkspace } from "./save.ts";
import { updateWorkspace, workspaceNotFound } from "./update-workspace.ts";
import { mergeRequest, refuseConflicts } from "./wanted.ts";
import type { RealizeRequest, RealizeResult, UpdateRequest, Workspaces } from "./workspaces.ts";

export interface WorkspacesOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  readonly failpoints: Failpoints;
  readonly operations: Operations;
  readonly runs: RunCalls;
  readonly services: Pick<Services, "ofWorkspace" | "stopOfWorkspace">;
  /** What commands start from: the allow-listed part of the server's environment. */
  readonly baseEnv: () => Promise<Readonly<Record<string, string>>>;
  readonly settings: WorkspaceSettings;
}

export interface WorkspaceSettings {
  /** Where workspaces may lie; symlinks resolved. */
  readonly allowRoots: readonly string[];
  /** "" for `<repo root>/.paperclip/worktrees`. */
  readonly worktreeDir: string;
  readonly envPrefix: string;
  /** Bound of one git command. */
  readonly gitTimeoutMs: number;
  /** Whether a repository's hooks run when a worktree is made. */
  readonly repoHooks: boolean;
  /** 0: never expires. */
  readonly defaultLeaseTtlMs: number;
}

/** One realize under way, for all the calls that mean it. */
interface Realization {
  /** The row once it says what is going on. */
  readonly begun: Promise<Workspace>;
  readonly done: Promise<Realized & Pick<RealizeResult, "previousState">>;
}

export function createWorkspaces(options: WorkspacesOptions): Workspaces {
  const { store, clock, log, failpoints, operations, runs, services, baseEnv, settings } = options;
  const git = createGit({ environment: baseEnv, timeoutMs: settings.gitTimeoutMs });
  const roots = createAllowedRoots(settings.allowRoots);
  const gitOperation = createGitOperation({
    git,
    operations,
    baseEnv,
    timeoutMs: settings.gitTimeoutMs,
    repoHooks: settings.repoHooks,
  });
  const tools: WorktreeDependencies = {
    ...{ store, clock, failpoints, git, gitOperation, operations, roots, baseEnv, settings },
    repositories: createKeyedLock(),
  };
  const finder = createRepositoryFinder(git);
  const locations = createKeyedLock();
  const realizations = createJoinedCalls<Realization>();

  return {
    async realize(request, signal) {
      const call = request.runId === "" ? undefined : runs.enter(request.runId);
      const work = realize(request, call).finally(() => call?.leave());
      return await answer(work, signal, ...(call === undefined ? [] : [call.released]));
    },
    get,
    list: (filter, page) => store.workspaces.list(filter, page),
    update: (request, signal) => answer(update(request), signal),
    ...createEndings({ ...tools, services, locations, settings }),
    import: (request, signal) =>
      answer(importWorkspace({ ...tools, allowRoots: settings.allowRoots }, request), signal),
  };

  async function get(workspaceId: string): Promise<Workspace> {
    const workspace = await store.workspaces.get(workspaceId);
    if (workspace === undefined) throw workspaceNotFound(workspaceId);
    return workspace;
  }

  async function update(request: UpdateRequest): Promise<Workspace> {
    const location = locationOf(await get(request.workspaceId));
    return await locations.run(location, () => updateWorkspace({ store, services }, request));
  }

  async function realize(
    request: RealizeRequest,
    call: RunCall | undefined,
  ): Promise<RealizeResult> {
    let workspaceId = request.workspaceId;
    try {
      const place = await findPlace({ store, roots, finder }, request);
      workspaceId = place.stored?.workspaceId ?? request.workspaceId;
      // Before anything is touched where others may be at work; a new workspace has nobody yet.
      let lease = place.stored && (await claim(place.stored, request, call));
      const { work, isFirst } = realizations.join(
        joinKey(place, request),
        () => begin(place, request),
        ({ done }) => done,
      );
      const begun = await work.begun;
      workspaceId = begun.workspaceId;
      lease ??= await claim(begun, request, call);
      const held = lease === undefined ? {} : { lease };
      if (request.noWait && begun.state === "PROVISIONING") {
        return { ...IN_PROGRESS, ...previousOf(place), workspace: begun, ...held };
      }
      const done = await work.done;
      return { ...done, created: isFirst && done.created, ...held };
    } catch (error) {
      throw named(error, workspaceId);
    }
  }

  /** Starts the work of a place; it goes on whoever waits. */
  function begin(place: Place, request: RealizeRequest): Realization {
    const { promise, resolve, reject } = Promise.withResolvers<Workspace>();
    const done = locations.run(place.location, () => work(place, request, resolve));
    done.then(
      ({ workspace }) => resolve(workspace),
      (error: unknown) => {
        reject(error);
        log.info({ workspace_id: place.workspaceId, err: error }, "realize failed");
      },
    );
    return { begun: promise, done };
  }

  async function work(
    place: Place,
    request: RealizeRequest,
    begun: (workspace: Workspace) => void,
  ): Promise<Realized & Pick<RealizeResult, "previousState">> {
    const stored = await readPlace(store, place, request);
    if (stored !== undefined && request.workspaceId !== "") refuseConflicts(request, stored);
    const wanted = mergeRequest(request, stored);
    const workspaceId = stored?.workspaceId ?? place.workspaceId;
    const previous = stored === undefined ? {} : { previousState: stored.state };
    if (place.checkout === undefined) {
      const outcome = { state: "ACTIVE", cwd: wanted.baseCwd } as const;
      const workspace = await saveWorkspace(store, clock.now(), workspaceId, wanted, outcome);
      return { workspace, created: false, operations: [], provisioned: false, ...previous };
    }
    const actor = actorOf(request);
    const realized = await realizeWorktree(tools, {
      ...place.checkout,
      request,
      wanted,
      workspaceId,
      ...(stored === undefined ? {} : { stored }),
      context: {
        companyId: wanted.companyId,
        workspaceId,
        projectWorkspaceId: wanted.projectWorkspaceId,
        issueId: wanted.issue?.issueId ?? "",
        ...(actor === undefined ? {} : { actor }),
      },
      begun,
    });
    return { ...realized, ...previous };
  }

  async function claim(
    workspace: Workspace,
    request: RealizeRequest,
    call: RunCall | undefined,
  ): Promise<Lease | undefined> {
    const { companyId, workspaceId } = workspace;
    const { runId, leaseMode: mode = "SHARED" } = request;
    const ttlMs = request.leaseTtlMs ?? settings.defaultLeaseTtlMs;
    const lease = await call?.write(() =>
      store.transaction((tx) => leaseWorkspace(tx, { companyId, workspaceId, runId, mode, ttlMs })),
    );
    if (lease !== undefined) await failpoints.hit("realize.leased");
    return lease;
  }
}

const IN_PROGRESS = { created: false, operations: [], provisioned: false } as const;

function previousOf({ stored }: Place): Pick<RealizeResult, "previousState"> {
  return stored === undefined ? {} : { previousState: stored.state };
}

/**
 * Calls of one identity join where they ask for the same; who asks, for which run and with which
 * environment may differ. Others take their turn.
 */
function joinKey({ identity }: Place, request: RealizeRequest): string {
  const { strategy, runtimeConfig, labels, name, source, repoUrl, repoRef } = request;
  const { projectId, projectWorkspaceId, issue } = request;
  const asked = [strategy, runtimeConfig, labels, name, source, repoUrl, repoRef];
  return JSON.stringify([identity, asked, projectId, projectWorkspaceId, issue]);
}

function actorOf({ actor, runId, agent }: RealizeRequest): Actor | undefined {
  if (actor !== undefined) return actor;
  if (runId === "" && agent === undefined) return undefined;
  return { runId, userId: "", ...(agent === undefined ? {} : { agent }) };
}

/** The error with the workspace that it is about, where that is known. */
function named(error: unknown, workspaceId: string): unknown {
  if (!(error instanceof RuntimeError) || workspaceId === "") return error;
  if (error.metadata.workspace_id !== undefined) return error;
  const { reason, message, metadata, violations, failures, cause } = error;
  return new RuntimeError(reason, message, {
    metadata: { ...metadata, workspace_id: workspaceId },
    violations,
    failures,
    ...(cause === undefined ? {} : { cause }),
  });
}
