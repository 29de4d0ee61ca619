import { sql } from "kysely";
import type { Page, PageRequest } from "../model/page.ts";
import type {
  DesiredState,
  GitWorktreeStrategy,
  RuntimeConfig,
  Workspace,
  WorkspaceSource,
  WorkspaceState,
  WorkspaceStrategy,
} from "../model/workspace.ts";
import { fromJson, fromOptionalJson, optional, toOptionalJson } from "./json.ts";
import { readPage } from "./page.ts";
import { prepareQuery } from "./prepared.ts";
import type { Inserted, Patch, ResourceTable } from "./resource.ts";
import { deleteResource, insertResource, updateResource } from "./resource.ts";
import type { Db, WorkspaceTable } from "./schema.ts";
import type { Session } from "./session.ts";

type Given = "nodeId" | "createTime" | "updateTime" | "lastUsedTime" | "revision";
export type NewWorkspace = Omit<Workspace, Given>;
export type WorkspacePatch = Patch<
  Omit<Workspace, Exclude<Given, "lastUsedTime"> | "workspaceId" | "companyId">
>;

/** Fields AND, values of one field OR; an empty field does not filter. */
export interface WorkspaceFilter {
  readonly companyId: string;
  readonly projectId: string;
  readonly projectWorkspaceIds: readonly string[];
  readonly issueIds: readonly string[];
  readonly states: readonly WorkspaceState[];
  readonly labels: Readonly<Record<string, string>>;
}

/** What makes two requests without a workspace id mean one workspace. */
export type WorkspaceIdentity =
  | {
      readonly strategy: "GIT_WORKTREE";
      readonly companyId: string;
      readonly gitCommonDir: string;
      readonly branchName: string;
    }
  | {
      readonly strategy: "PROJECT_PRIMARY";
      readonly companyId: string;
      readonly baseCwd: string;
      /** "" for a workspace without an issue. */
      readonly issueId: string;
    };

/** As the partial indexes have it, to the letter: or they would not be used. */
const isNotArchived = sql<boolean>`state <> 'ARCHIVED'`;

export interface WorkspaceQueries {
  /**
   * Not inserted when its id is taken or, for git_worktree, when a live workspace of its company
   * has its branch: the record is that one then.
   */
  insert(record: NewWorkspace): Promise<Inserted<Workspace>>;
  /** Undefined when there is no such row; equal content makes no revision. */
  update(workspaceId: string, patch: WorkspacePatch): Promise<Workspace | undefined>;
  get(workspaceId: string): Promise<Workspace | undefined>;
  /** The one that is not ARCHIVED; the newest if there are several. */
  findLive(identity: WorkspaceIdentity): Promise<Workspace | undefined>;
  /** Those not ARCHIVED in this worktree, of any company, oldest first. */
  listLiveByWorktreePath(worktreePath: string): Promise<Workspace[]>;
  /** Those not ARCHIVED of a company ("" for all), oldest first. */
  listLive(companyId: string): Promise<Workspace[]>;
  list(filter: WorkspaceFilter, page: PageRequest): Promise<Page<Workspace>>;
  /** The record that was deleted. */
  delete(workspaceId: string): Promise<Workspace | undefined>;
}

export function createWorkspaceQueries(session: Session): WorkspaceQueries {
  return {
    insert: (record) =>
      session.write(async (tx) => {
        const existing = (await get(tx, record.workspaceId)) ?? (await findSameBranch(tx, record));
        if (existing !== undefined) return { record: existing, inserted: false };
        const now = tx.clock.now();
        const given = { nodeId: tx.nodeId, createTime: now, updateTime: now, lastUsedTime: now };
        return { record: await insertResource(tx, table, { ...record, ...given }), inserted: true };
      }),
    update: (workspaceId, patch) =>
      session.write(async (tx) => {
        const before = await get(tx, workspaceId);
        return before && updateResource(tx, table, before, patch);
      }),
    get: (workspaceId) => get(session, workspaceId),
    findLive: (identity) => findLive(session, identity),
    listLiveByWorktreePath: (worktreePath) =>
      session.read(async (db) => {
        const query = db.selectFrom("workspaces").selectAll().where(isNotArchived);
        const rows = await query
          .where("worktree_path", "=", worktreePath)
          .orderBy("create_time")
          .execute();
        return rows.map(fromRow);
      }),
    listLive: (companyId) =>
      session.read(async (db) => {
        let query = db.selectFrom("workspaces").selectAll().where(isNotArchived);
        if (companyId !== "") query = query.where("company_id", "=", companyId);
        return (await query.orderBy("create_time").execute()).map(fromRow);
      }),
    list: (filter, page) => list(session, filter, page),
    delete: (workspaceId) =>
      session.write(async (tx) => {
        const before = await get(tx, workspaceId);
        if (before !== undefined) await deleteResource(tx, table, before);
        return before;
      }),
  };
}

async function get(session: Session, workspaceId: string): Promise<Workspace | undefined> {
  const [row] = await session.query(byId, { workspaceId });
  return row && fromRow(row);
}

const byId = prepareQuery(["workspaceId"], ({ db }, { workspaceId }: { workspaceId: string }) =>
  db.selectFrom("workspaces").selectAll().where("workspace_id", "=", workspaceId),
);

function findSameBranch(session: Session, record: NewWorkspace): Promise<Workspace | undefined> {
  const { strategy, state, companyId, gitCommonDir, branchName } = record;
  if (strategy !== "GIT_WORKTREE" || state === "ARCHIVED") return Promise.resolve(undefined);
  return findLive(session, { strategy, companyId, gitCommonDir, branchName });
}

function findLive(session: Session, identity: WorkspaceIdentity): Promise<Workspace | undefined> {
  return session.read(async (db) => {
    const live = db
      .selectFrom("workspaces")
      .selectAll()
      .where(isNotArchived)
      .where("strategy", "=", sql.lit(identity.strategy))
      .where("company_id", "=", identity.companyId);
    const same =
      identity.strategy === "GIT_WORKTREE"
        ? live
            .where("git_common_dir", "=", identity.gitCommonDir)
            .where("branch_name", "=", identity.branchName)
        : live
            .where("base_cwd", "=", identity.baseCwd)
            .where(({ eb, fn, val }) =>
              eb(fn.coalesce("issue_id", val("")), "=", identity.issueId),
            );
    const row = await same
      .orderBy("create_time", "desc")
      .orderBy("workspace_id", "desc")
      .limit(1)
      .executeTakeFirst();
    return row && fromRow(row);
  });
}

function list(session: Session, filter: WorkspaceFilter, page: PageRequest) {
  const order = { time: "create_time", id: "workspace_id" };
  const select = (db: Db) => {
    const { companyId, projectId, projectWorkspaceIds, issueIds, states } = filter;
    let query = db.selectFrom("workspaces").selectAll();
    if (companyId !== "") query = query.where("company_id", "=", companyId);
    if (projectId !== "") query = query.where("project_id", "=", projectId);
    if (projectWorkspaceIds.length > 0) {
      query = query.where("project_workspace_id", "in", projectWorkspaceIds);
    }
    if (issueIds.length > 0) query = query.where("issue_id", "in", issueIds);
    if (states.length > 0) query = query.where("state", "in", states);
    for (const [key, value] of Object.entries(filter.labels)) {
      query = query.where(({ ref }) => session.dialect.hasLabel(ref("labels"), key, value));
    }
    return query;
  };
  return readPage(session, page, order, select, fromRow);
}

const table: ResourceTable<Workspace, WorkspaceTable> = {
  name: "workspaces",
  idColumn: "workspace_id",
  toRow,
  toResource: (resource) => ({ kind: "WORKSPACE", resource }),
};

function toRow(record: Workspace): WorkspaceTable {
  return {
    workspace_id: record.workspaceId,
    company_id: record.companyId,
    project_id: record.projectId,
    project_workspace_id: record.projectWorkspaceId,
    name: record.name,
    issue_id: record.issue?.issueId ?? null,
    issue_identifier: record.issue?.identifier ?? null,
    issue_title: record.issue?.title ?? null,
    agent_id: record.agent?.agentId ?? null,
    agent_name: record.agent?.name ?? null,
    source: record.source,
    strategy: record.strategy,
    state: record.state,
    state_message: record.stateMessage,
    base_cwd: record.baseCwd,
    cwd: record.cwd,
    repo_root: record.repoRoot,
    git_common_dir: record.gitCommonDir,
    worktree_path: record.worktreePath,
    branch_name: record.branchName,
    repo_url: record.repoUrl,
    repo_ref: record.repoRef,
    base_ref: record.baseRef,
    base_commit: record.baseCommit,
    directory_created: record.directoryCreated,
    branch_created: record.branchCreated,
    warnings: JSON.stringify(record.warnings),
    git_worktree: toOptionalJson(record.gitWorktree),
    runtime_config: toOptionalJson(record.runtimeConfig),
    desired_state: record.desiredState ?? null,
    service_states: JSON.stringify(record.serviceStates),
    labels: JSON.stringify(record.labels),
    rescue_ref: record.rescueRef,
    provision_pending: record.provisionPending,
    provision_fingerprint: record.provisionFingerprint,
    node_id: record.nodeId,
    create_time: record.createTime,
    update_time: record.updateTime,
    last_used_time: record.lastUsedTime,
    cleanup_time: record.cleanupTime ?? null,
    revision: record.revision,
  };
}

function fromRow(row: WorkspaceTable): Workspace {
  const issue = row.issue_id !== null && {
    issueId: row.issue_id,
    identifier: row.issue_identifier ?? "",
    title: row.issue_title ?? "",
  };
  const agent = row.agent_id !== null && { agentId: row.agent_id, name: row.agent_name ?? "" };
  return {
    workspaceId: row.workspace_id,
    companyId: row.company_id,
    projectId: row.project_id,
    projectWorkspaceId: row.project_workspace_id,
    name: row.name,
    ...(issue && { issue }),
    ...(agent && { agent }),
    source: row.source as WorkspaceSource,
    strategy: row.strategy as WorkspaceStrategy,
    state: row.state as WorkspaceState,
    stateMessage: row.state_message,
    baseCwd: row.base_cwd,
    cwd: row.cwd,
    repoRoot: row.repo_root,
    gitCommonDir: row.git_common_dir,
    worktreePath: row.worktree_path,
    branchName: row.branch_name,
    repoUrl: row.repo_url,
    repoRef: row.repo_ref,
    baseRef: row.base_ref,
    baseCommit: row.base_commit,
    directoryCreated: Boolean(row.directory_created),
    branchCreated: Boolean(row.branch_created),
    warnings: fromJson(row.warnings),
    ...optional("gitWorktree", fromOptionalJson<GitWorktreeStrategy>(row.git_worktree)),
    ...optional("runtimeConfig", fromOptionalJson<RuntimeConfig>(row.runtime_config)),
    ...optional("desiredState", row.desired_state as DesiredState | null),
    serviceStates: fromJson(row.service_states),
    labels: fromJson(row.labels),
    rescueRef: row.rescue_ref,
    provisionPending: Boolean(row.provision_pending),
    provisionFingerprint: row.provision_fingerprint,
    nodeId: row.node_id,
    createTime: row.create_time,
    updateTime: row.update_time,
    lastUsedTime: row.last_used_time,
    ...optional("cleanupTime", row.cleanup_time),
    revision: row.revision,
  };
}
