import { dirname } from "node:path";
import type { Clock } from "../clock.ts";
import type { Git } from "../git/git.ts";
import type { Repository } from "../git/repository.ts";
import type { Operation } from "../model/operation.ts";
import type { Workspace } from "../model/workspace.ts";
import type { Operations } from "../operations/operations.ts";
import type { Store } from "../store/store.ts";
import type { AllowedRoots } from "./allowed-roots.ts";
import { workspaceVariables } from "./command-env.ts";
import { copyFiles } from "./copy-files.ts";
import { fetchBase } from "./fetch-base.ts";
import { excludeFromStatus } from "./git-exclude.ts";
import type { GitOperation, OperationContext } from "./git-operation.ts";
import type { KeyedLock } from "./keyed-lock.ts";
import { inUse } from "./place.ts";
import { decideProvision } from "./provision.ts";
import { runProvision } from "./run-provision.ts";
import { type Outcome, saveWorkspace } from "./save.ts";
import { type Survey, surveyWorktree } from "./survey.ts";
import type { Wanted } from "./wanted.ts";
import type { RealizeRequest } from "./workspaces.ts";
import { carryOut, changesNothing, fastForward, lookAfterFailure } from "./worktree.ts";
import { worktreeParent, worktreePath } from "./worktree-path.ts";

export interface WorktreeDependencies {
  readonly store: Store;
  readonly clock: Clock;
  readonly git: Git;
  readonly gitOperation: GitOperation;
  readonly operations: Operations;
  readonly roots: AllowedRoots;
  /** One writer at a time in a repository. */
  readonly repositories: KeyedLock;
  readonly baseEnv: () => Promise<Readonly<Record<string, string>>>;
  readonly settings: { readonly worktreeDir: string; readonly envPrefix: string };
}

export interface WorktreeOrder {
  readonly request: RealizeRequest;
  readonly wanted: Wanted;
  readonly workspaceId: string;
  /** Absent for a new workspace. */
  readonly stored?: Workspace;
  readonly repository: Repository;
  readonly branch: string;
  readonly context: OperationContext;
  /** Told of the row as soon as it says what is going on. */
  readonly begun: (workspace: Workspace) => void;
}

export interface Realized {
  readonly workspace: Workspace;
  /** This call made the directory. */
  readonly created: boolean;
  readonly operations: readonly Operation[];
  readonly provisioned: boolean;
}

/** Behaviour.md 2, steps 3 to 11. A failure after the row says PROVISIONING leaves it FAILED. */
export async function realizeWorktree(
  dependencies: WorktreeDependencies,
  order: WorktreeOrder,
): Promise<Realized> {
  const { git, roots, store, clock, repositories, settings } = dependencies;
  const { request, wanted, workspaceId, stored, repository, branch, context } = order;
  const strategy = wanted.gitWorktree ?? {};
  const parent = worktreeParent(
    repository.root,
    strategy.worktreeParentDir ?? "",
    settings.worktreeDir,
  );
  const path = stored?.directoryCreated
    ? await roots.resolve(stored.worktreePath)
    : await worktreePath(parent.path, branch, roots);
  const askedBase = strategy.baseRef || wanted.repoRef;
  const question = { repository, branch, path, askedBase, isBaseStored: isBaseStored(order) };
  const operations: Operation[] = [];
  const warnings: string[] = [];

  const located = {
    cwd: path,
    worktreePath: path,
    repoRoot: repository.root,
    gitCommonDir: repository.commonDir,
    branchName: branch,
  };
  let outcome: Outcome & { provisionPending: boolean } = {
    ...located,
    state: "PROVISIONING",
    provisionPending: stored?.provisionPending ?? true,
    directoryCreated: stored?.directoryCreated ?? false,
    branchCreated: stored?.branchCreated ?? false,
  };
  let hasBegun = false;
  const save = (changes: Partial<Outcome>) => {
    outcome = { ...outcome, ...changes };
    return saveWorkspace(store, clock.now(), workspaceId, wanted, outcome);
  };
  const begin = async (changes: Partial<Outcome>) => {
    const workspace = await save({ state: "PROVISIONING", ...changes });
    hasBegun = true;
    order.begun(workspace);
  };
  const commandEnv = (facts: Outcome, isFresh: boolean) => ({
    ...request.commandEnv,
    ...workspaceVariables(settings.envPrefix, { ...EMPTY_FACTS, ...wanted, ...facts }, isFresh),
  });

  let survey: Survey | undefined;
  try {
    await refuseHolders(path);
    if (strategy.fetchBase) {
      await begin({});
      const fetched = await repositories.run(repository.commonDir, () =>
        fetchBase(git, dependencies.gitOperation, {
          repository,
          askedBase,
          context,
          env: commandEnv(outcome, false),
        }),
      );
      if (fetched.operation !== undefined) operations.push(fetched.operation);
      if (fetched.warning !== undefined) warnings.push(fetched.warning);
    }

    const turns = repositories.turns(repository.commonDir);
    survey = await surveyWorktree(git, roots, question);
    if (survey.plan.path !== path) await refuseHolders(survey.plan.path);
    if (changesNothing(survey.plan)) {
      operations.push(...(await carryOut(dependencies, workOf(survey))));
    } else {
      await begin(intended(survey));
      if (parent.isDefault) await excludeFromStatus(repository, parent.path);
      await repositories.run(repository.commonDir, async () => {
        if (repositories.turns(repository.commonDir) !== turns) {
          survey = await surveyWorktree(git, roots, question);
        }
        operations.push(...(await carryOut(dependencies, workOf(survey as Survey))));
      });
    }
    const created = survey.plan.action !== "reuse";
    outcome = { ...outcome, ...intended(survey) };
    warnings.push(...survey.warnings, ...repaired(survey), ...(await followBase(survey)));
    if (created) {
      warnings.push(
        ...(await copyFiles({
          from: repository.gitCwd === repository.root ? repository.root : wanted.baseCwd,
          to: survey.plan.path,
          patterns: strategy.copyFiles ?? [],
          exceptBelow: dirname(survey.plan.path),
        })),
      );
    }

    const isFresh = created || (stored?.provisionPending ?? false);
    const decision = await decideProvision({
      strategy,
      worktreePath: survey.plan.path,
      isFresh,
      lastFingerprint: stored?.provisionFingerprint ?? "",
    });
    if (decision.isDue) {
      await begin({ provisionPending: true });
      operations.push(
        await runProvision(dependencies, {
          strategy,
          context,
          env: commandEnv(outcome, isFresh),
          place: { repoRoot: repository.root, worktreePath: survey.plan.path, branchName: branch },
          isFresh,
        }),
      );
    }
    const workspace = await save({
      state: "ACTIVE",
      stateMessage: "",
      warnings,
      provisionPending: false,
      provisionFingerprint: decision.fingerprint,
    });
    return { workspace, created, operations, provisioned: decision.isDue };
  } catch (error) {
    if (hasBegun) await fail(error as Error);
    throw error;
  }

  function workOf({ plan, base }: Survey) {
    return { repository, branch, plan, context, ...(base === undefined ? {} : { base }) };
  }

  /** What the row says once the plan is carried out; written before it is. */
  function intended({ plan, base }: Survey): Partial<Outcome> & { provisionPending: boolean } {
    const makes = plan.action !== "reuse";
    const isSame = stored?.worktreePath === plan.path;
    return {
      cwd: plan.path,
      worktreePath: plan.path,
      provisionPending: makes || outcome.provisionPending,
      directoryCreated: makes || (isSame && (stored?.directoryCreated ?? false)),
      branchCreated: plan.action === "create_branch" || (stored?.branchCreated ?? false),
      ...(base === undefined ? {} : { baseRef: base.ref, baseCommit: base.commit }),
    };
  }

  function repaired({ plan }: Survey): string[] {
    if (plan.switchFrom === undefined) return [];
    const from = plan.switchFrom === "" ? "a detached HEAD" : `"${plan.switchFrom}"`;
    return [`Switched "${plan.path}" back from ${from} to "${branch}"`];
  }

  async function refuseHolders(worktree: string): Promise<void> {
    const holders = await store.workspaces.listLiveByWorktreePath(worktree);
    const other = holders.find((holder) => holder.workspaceId !== workspaceId);
    if (other !== undefined) throw inUse(other, wanted.companyId);
  }

  /** A reused worktree whose base moved on: brought along where nobody can miss anything, else told. */
  async function followBase(found: Survey): Promise<string[]> {
    const { base, plan } = found;
    const { ahead = 0, behind = 0 } = plan.distance ?? {};
    if (base === undefined || behind === 0) return [];
    if (ahead === 0 && stored?.branchCreated && !(await isHeldByOthers())) {
      const work = { repository, branch, plan, context, base };
      const moved = await repositories.run(repository.commonDir, () =>
        fastForward(dependencies, work),
      );
      if (moved !== undefined) {
        operations.push(moved);
        return [];
      }
    }
    return [`${branch} is behind ${base.ref} by ${behind} commit(s)`];
  }

  async function isHeldByOthers(): Promise<boolean> {
    const holders = await store.leases.holdersOfWorkspace(workspaceId);
    return holders.some((lease) => lease.runId !== request.runId);
  }

  async function fail(error: Error): Promise<void> {
    const made =
      survey === undefined
        ? undefined
        : await lookAfterFailure(git, workOf(survey)).catch(() => undefined);
    await save({
      state: "FAILED",
      stateMessage: error.message,
      provisionPending: true,
      ...(made === undefined
        ? {}
        : {
            directoryCreated: (outcome.directoryCreated ?? false) && made.directory,
            branchCreated: (outcome.branchCreated ?? false) && made.branch,
          }),
    });
  }
}

const EMPTY_FACTS = { worktreePath: "", branchName: "", repoRoot: "" };

function isBaseStored({ request, stored }: WorktreeOrder): boolean {
  const asked =
    request.strategy?.kind === "git_worktree" ? request.strategy.gitWorktree.baseRef : "";
  return stored !== undefined && !asked && request.repoRef === "";
}
