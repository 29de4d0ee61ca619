import type { Clock } from "../clock.ts";
import { isRuntimeError, RuntimeError } from "../errors.ts";
import type { Failpoints } from "../failpoints.ts";
import type { Git } from "../git/git.ts";
import type { Repository } from "../git/repository.ts";
import type { Operation } from "../model/operation.ts";
import type { Workspace } from "../model/workspace.ts";
import type { Operations } from "../operations/operations.ts";
import type { Store } from "../store/store.ts";
import type { AllowedRoots } from "./allowed-roots.ts";
import { checkBranchName } from "./branch-name.ts";
import { workspaceVariables } from "./command-env.ts";
import { copyFiles } from "./copy-files.ts";
import { fetchBase } from "./fetch-base.ts";
import { followBase } from "./follow-base.ts";
import { excludeFromStatus } from "./git-exclude.ts";
import type { GitOperation, OperationContext } from "./git-operation.ts";
import type { KeyedLock } from "./keyed-lock.ts";
import { inUse } from "./place.ts";
import { decideProvision } from "./provision.ts";
import { createRowDraft } from "./row-draft.ts";
import { runProvision } from "./run-provision.ts";
import type { Outcome } from "./save.ts";
import { type Survey, surveyWorktree } from "./survey.ts";
import type { Wanted } from "./wanted.ts";
import type { RealizeRequest } from "./workspaces.ts";
import { carryOut, changesNothing, lookAfterFailure, type WorktreeWork } from "./worktree.ts";
import { type WorktreeParent, worktreeParent, worktreePath } from "./worktree-path.ts";

export interface WorktreeDependencies {
  readonly store: Store;
  readonly clock: Clock;
  readonly failpoints: Failpoints;
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
  /** What is put into the worktree before anything else is; `created` says that it is new. */
  readonly made?: (
    path: string,
    created: boolean,
  ) => Promise<{ readonly operations: readonly Operation[]; readonly warnings: readonly string[] }>;
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
  const { git, roots, store, clock, failpoints, repositories, settings } = dependencies;
  const { request, wanted, workspaceId, stored, repository, branch, context } = order;
  const strategy = wanted.gitWorktree ?? {};
  const { parent, path } = await chooseDirectory();
  const askedBase = strategy.baseRef || wanted.repoRef;
  const question = {
    ...{ repository, branch, path, askedBase },
    isBaseStored: isBaseStored(order),
    wasThere: stored !== undefined,
    wasBegun: wasBegun(stored, path),
  };
  const operations: Operation[] = [];
  const warnings: string[] = [];
  const row = createRowDraft({
    ...{ store, clock, workspaceId, wanted, begun: order.begun },
    facts: {
      cwd: path,
      worktreePath: path,
      repoRoot: repository.root,
      gitCommonDir: repository.commonDir,
      branchName: branch,
      provisionPending: stored?.provisionPending ?? true,
      directoryCreated: stored?.directoryCreated ?? false,
      branchCreated: stored?.branchCreated ?? false,
    },
  });

  let survey: Survey | undefined;
  try {
    await refuseHolders(path);
    await dependencies.operations.settled(workspaceId);
    if (strategy.fetchBase) await fetch();
    const turns = repositories.turns;
    survey = await surveyWorktree(git, roots, question);
    await refuseHolders(survey.plan.path);
    survey = await make(survey, turns);
    await follow(survey);
    const created = survey.plan.action !== "reuse";
    const put = await order.made?.(survey.plan.path, created);
    operations.push(...(put?.operations ?? []));
    warnings.push(...(put?.warnings ?? []));
    // What a crash kept from being copied is copied now; what is there stays as it is.
    if (created || (stored?.directoryCreated && stored.provisionPending)) {
      await copy(survey.plan.path);
    }
    const isFresh = created || (stored?.provisionPending ?? false);
    const { provisioned, fingerprint } = await provision(survey.plan.path, isFresh);
    const workspace = await row.finish({
      warnings,
      provisionPending: false,
      provisionFingerprint: fingerprint,
    });
    await failpoints.hit("realize.outcome-written");
    return { workspace, created, operations, provisioned };
  } catch (error) {
    // A server that ends leaves the row as it is: the next realize goes on from there.
    if (!isRuntimeError(error, "SHUTTING_DOWN")) {
      // Whatever else goes wrong now, the first error is the one to tell.
      await row.fail(error as Error, remains).catch(() => {});
    }
    throw error;
  }

  async function chooseDirectory(): Promise<{ parent: WorktreeParent; path: string }> {
    const requested = strategy.worktreeParentDir ?? "";
    const parent = worktreeParent(repository.root, requested, settings.worktreeDir);
    const path = stored?.directoryCreated
      ? await roots.resolve(stored.worktreePath)
      : await worktreePath(parent.path, branch, roots);
    return { parent, path };
  }

  async function refuseHolders(worktree: string): Promise<void> {
    const holders = await store.workspaces.listLiveByWorktreePath(worktree);
    const other = holders.find((holder) => holder.workspaceId !== workspaceId);
    if (other !== undefined) throw inUse(other, wanted.companyId);
  }

  async function fetch(): Promise<void> {
    if (stored === undefined) await checkBranchName(git, repository.gitCwd, branch);
    await row.begin();
    await failpoints.hit("realize.fetch-intended");
    const env = commandEnv(row.facts, false);
    const { operation, warning } = await repositories.run(repository.commonDir, () =>
      fetchBase(git, dependencies.gitOperation, { repository, askedBase, context, env }),
    );
    await failpoints.hit("realize.fetched");
    if (operation !== undefined) operations.push(operation);
    if (warning !== undefined) warnings.push(warning);
  }

  /** Carries out what was found to be needed; looks again if somebody wrote meanwhile. */
  async function make(found: Survey, turns: number): Promise<Survey> {
    let current = found;
    if (changesNothing(found.plan)) {
      operations.push(...(await carryOut(dependencies, workOf(found))));
    } else {
      await row.begin(intended(found));
      await failpoints.hit("realize.intent-written");
      await repositories.run(repository.commonDir, async () => {
        if (repositories.turns !== turns) {
          current = await surveyWorktree(git, roots, question);
        }
        if (current.plan.switchFrom !== undefined) await refuseRepairUnderOthers(current);
        if (parent.isDefault) await excludeFromStatus(repository, parent.path);
        await failpoints.hit("realize.excluded");
        operations.push(...(await carryOut(dependencies, workOf(current))));
      });
    }
    row.note(intended(current));
    warnings.push(...current.warnings);
    if (current.plan.switchFrom !== undefined) {
      const from =
        current.plan.switchFrom === "" ? "a detached HEAD" : `"${current.plan.switchFrom}"`;
      warnings.push(`Switched "${current.plan.path}" back from ${from} to "${branch}"`);
    }
    return current;
  }

  async function follow({ base, plan }: Survey): Promise<void> {
    if (base === undefined || plan.distance === undefined) return;
    const mayMove = stored?.branchCreated === true && (await otherHolders()).length === 0;
    const work = { repository, branch, base, plan, context };
    const { operation, warning } = await followBase(dependencies, work, mayMove, (move) =>
      repositories.run(repository.commonDir, move),
    );
    if (operation !== undefined) {
      await failpoints.hit("realize.fast-forwarded");
      operations.push(operation);
    }
    if (warning !== undefined) warnings.push(warning);
  }

  async function copy(to: string): Promise<void> {
    const hasCheckout = repository.gitCwd === repository.root;
    warnings.push(
      ...(await copyFiles(git, {
        from: hasCheckout ? repository.root : wanted.baseCwd,
        to,
        patterns: strategy.copyFiles ?? [],
        exceptBelow: parent.path,
      })),
    );
    await failpoints.hit("realize.files-copied");
  }

  async function provision(worktree: string, isFresh: boolean) {
    const { isDue, fingerprint } = await decideProvision({
      strategy,
      worktreePath: worktree,
      isFresh,
      lastFingerprint: stored?.provisionFingerprint ?? "",
    });
    if (isDue) {
      await row.begin({ provisionPending: true });
      await failpoints.hit("realize.provision-intended");
      const place = { repoRoot: repository.root, worktreePath: worktree, branchName: branch };
      const env = commandEnv(row.facts, isFresh);
      operations.push(await runProvision(dependencies, { strategy, context, env, place, isFresh }));
      await failpoints.hit("realize.provisioned");
    }
    return { provisioned: isDue, fingerprint };
  }

  /** What a failure leaves behind that this service made. */
  async function remains(): Promise<Partial<Outcome>> {
    const pending = { provisionPending: true };
    if (survey === undefined) return pending;
    const { directory, branch } = await lookAfterFailure(git, workOf(survey));
    return {
      ...pending,
      directoryCreated: row.facts.directoryCreated === true && directory,
      branchCreated: row.facts.branchCreated === true && branch,
    };
  }

  /** What the row says once the plan is carried out; written before it is. */
  function intended({ plan, base }: Survey): Partial<Outcome> {
    const makes = plan.action !== "reuse";
    const isSame = stored?.worktreePath === plan.path;
    return {
      cwd: plan.path,
      worktreePath: plan.path,
      provisionPending: makes || row.facts.provisionPending === true,
      directoryCreated: makes || (isSame && stored.directoryCreated),
      branchCreated: plan.action === "create_branch" || stored?.branchCreated === true,
      ...(base === undefined ? {} : { baseRef: base.ref, baseCommit: base.commit }),
    };
  }

  async function refuseRepairUnderOthers({ plan }: Survey): Promise<void> {
    const holders = await otherHolders();
    if (holders.length === 0) return;
    const message = `"${plan.path}" is on branch "${plan.switchFrom}" and leased by another run: it is not switched back to "${branch}"`;
    throw new RuntimeError("WORKTREE_BRANCH_MISMATCH", message, {
      metadata: { path: plan.path, branch, holder_run_ids: holders.join(",") },
    });
  }

  async function otherHolders(): Promise<string[]> {
    const holders = await store.leases.holdersOfWorkspace(workspaceId);
    return holders.map(({ runId }) => runId).filter((runId) => runId !== request.runId);
  }

  function workOf({ plan, base }: Survey): WorktreeWork {
    return { repository, branch, plan, context, ...(base === undefined ? {} : { base }) };
  }

  function commandEnv(facts: Outcome, isFresh: boolean): Record<string, string> {
    const told = { worktreePath: "", branchName: "", repoRoot: "", ...wanted, ...facts };
    return {
      ...request.commandEnv,
      ...workspaceVariables(settings.envPrefix, told, isFresh),
    };
  }
}

/** The base was not asked for by this very call. */
function isBaseStored({ request, stored }: WorktreeOrder): boolean {
  const asked =
    request.strategy?.kind === "git_worktree" ? request.strategy.gitWorktree.baseRef : "";
  return stored !== undefined && !asked && request.repoRef === "";
}

/** The row says that this service was making the worktree at this path when it last heard of it. */
function wasBegun(stored: Workspace | undefined, path: string): boolean {
  if (stored === undefined || !stored.directoryCreated || stored.worktreePath !== path)
    return false;
  return stored.state === "PROVISIONING" || stored.state === "FAILED";
}
