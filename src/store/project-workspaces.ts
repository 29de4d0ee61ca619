import type { Page, PageRequest } from "../model/page.ts";
import type { ProjectWorkspace } from "../model/project-workspace.ts";
import type { DesiredState, RuntimeConfig } from "../model/workspace.ts";
import { fromJson, fromOptionalJson, optional, toOptionalJson } from "./json.ts";
import { readPage } from "./page.ts";
import type { Inserted, Patch, ResourceTable } from "./resource.ts";
import { deleteResource, insertResource, updateResource } from "./resource.ts";
import type { ProjectWorkspaceTable } from "./schema.ts";
import type { Session } from "./session.ts";

type Given = "createTime" | "updateTime" | "revision";
export type NewProjectWorkspace = Omit<ProjectWorkspace, Given>;
export type ProjectWorkspacePatch = Patch<
  Omit<ProjectWorkspace, Given | "projectWorkspaceId" | "companyId">
>;

/** Fields AND, values of one field OR; an empty field does not filter. */
export interface ProjectWorkspaceFilter {
  readonly companyId: string;
  readonly projectId: string;
  readonly labels: Readonly<Record<string, string>>;
}

export interface ProjectWorkspaceQueries {
  /** Not inserted when the id is taken: the record is its holder then. */
  insert(record: NewProjectWorkspace): Promise<Inserted<ProjectWorkspace>>;
  /** Undefined when there is no such row; equal content makes no revision. */
  update(id: string, patch: ProjectWorkspacePatch): Promise<ProjectWorkspace | undefined>;
  get(id: string): Promise<ProjectWorkspace | undefined>;
  list(filter: ProjectWorkspaceFilter, page: PageRequest): Promise<Page<ProjectWorkspace>>;
  /** All of a company; "" for all companies. */
  listAll(companyId: string): Promise<ProjectWorkspace[]>;
  /** The record that was deleted. */
  delete(id: string): Promise<ProjectWorkspace | undefined>;
}

export function createProjectWorkspaceQueries(session: Session): ProjectWorkspaceQueries {
  return {
    insert: (record) =>
      session.write(async (tx) => {
        const existing = await get(tx, record.projectWorkspaceId);
        if (existing !== undefined) return { record: existing, inserted: false };
        const now = tx.clock.now();
        const times = { createTime: now, updateTime: now };
        return { record: await insertResource(tx, table, { ...record, ...times }), inserted: true };
      }),
    update: (id, patch) =>
      session.write(async (tx) => {
        const before = await get(tx, id);
        return before && updateResource(tx, table, before, patch);
      }),
    get: (id) => get(session, id),
    list: (filter, page) =>
      readPage(
        session,
        page,
        { time: "create_time", id: "project_workspace_id" },
        (db) => {
          let query = db.selectFrom("project_workspaces").selectAll();
          if (filter.companyId !== "") query = query.where("company_id", "=", filter.companyId);
          if (filter.projectId !== "") query = query.where("project_id", "=", filter.projectId);
          for (const [key, value] of Object.entries(filter.labels)) {
            query = query.where(({ ref }) => session.dialect.hasLabel(ref("labels"), key, value));
          }
          return query;
        },
        fromRow,
      ),
    listAll: (companyId) =>
      session.read(async (db) => {
        let query = db.selectFrom("project_workspaces").selectAll();
        if (companyId !== "") query = query.where("company_id", "=", companyId);
        return (await query.orderBy("create_time").execute()).map(fromRow);
      }),
    delete: (id) =>
      session.write(async (tx) => {
        const before = await get(tx, id);
        if (before !== undefined) await deleteResource(tx, table, before);
        return before;
      }),
  };
}

function get(session: Session, id: string): Promise<ProjectWorkspace | undefined> {
  return session.read(async (db) => {
    const query = db.selectFrom("project_workspaces").selectAll();
    const row = await query.where("project_workspace_id", "=", id).executeTakeFirst();
    return row && fromRow(row);
  });
}

const table: ResourceTable<ProjectWorkspace, ProjectWorkspaceTable> = {
  name: "project_workspaces",
  idColumn: "project_workspace_id",
  toRow,
  toResource: (resource) => ({ kind: "PROJECT_WORKSPACE", resource }),
};

function toRow(record: ProjectWorkspace): ProjectWorkspaceTable {
  return {
    project_workspace_id: record.projectWorkspaceId,
    company_id: record.companyId,
    project_id: record.projectId,
    name: record.name,
    cwd: record.cwd,
    repo_url: record.repoUrl,
    repo_ref: record.repoRef,
    cleanup_command: record.cleanupCommand,
    runtime_config: toOptionalJson(record.runtimeConfig),
    desired_state: record.desiredState ?? null,
    service_states: JSON.stringify(record.serviceStates),
    labels: JSON.stringify(record.labels),
    create_time: record.createTime,
    update_time: record.updateTime,
    revision: record.revision,
  };
}

function fromRow(row: ProjectWorkspaceTable): ProjectWorkspace {
  return {
    projectWorkspaceId: row.project_workspace_id,
    companyId: row.company_id,
    projectId: row.project_id,
    name: row.name,
    cwd: row.cwd,
    repoUrl: row.repo_url,
    repoRef: row.repo_ref,
    cleanupCommand: row.cleanup_command,
    ...optional("runtimeConfig", fromOptionalJson<RuntimeConfig>(row.runtime_config)),
    ...optional("desiredState", row.desired_state as DesiredState | null),
    serviceStates: fromJson(row.service_states),
    labels: fromJson(row.labels),
    createTime: row.create_time,
    updateTime: row.update_time,
    revision: row.revision,
  };
}
