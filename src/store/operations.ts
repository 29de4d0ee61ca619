import { sql } from "kysely";
import type { Operation, OperationPhase, OperationStatus } from "../model/operation.ts";
import type { Page, PageRequest } from "../model/page.ts";
import type { Actor } from "../model/workspace.ts";
import { fromJson, fromOptionalJson, optional, toOptionalJson } from "./json.ts";
import { readPage } from "./page.ts";
import type { Patch, ResourceTable } from "./resource.ts";
import { deleteResource, insertResource, updateResource } from "./resource.ts";
import type { Db, OperationTable } from "./schema.ts";
import type { Session } from "./session.ts";

export type NewOperation = Omit<Operation, "nodeId" | "revision">;
export type OperationPatch = Patch<
  Omit<Operation, "nodeId" | "revision" | "operationId" | "companyId">
>;

/** Fields AND, values of one field OR; an empty field does not filter. */
export interface OperationFilter {
  readonly companyId: string;
  readonly workspaceIds: readonly string[];
  /** Also matches the operations of the run's workspaces that name no run. */
  readonly runIds: readonly string[];
  readonly statuses: readonly OperationStatus[];
}

/** As the partial index has it, to the letter: or it would not be used. */
const isRunning = sql<boolean>`status = 'RUNNING'`;

export interface OperationQueries {
  insert(record: NewOperation): Promise<Operation>;
  /** Undefined when there is no such row; equal content makes no revision. */
  update(operationId: string, patch: OperationPatch): Promise<Operation | undefined>;
  get(operationId: string): Promise<Operation | undefined>;
  list(filter: OperationFilter, page: PageRequest): Promise<Page<Operation>>;
  /** Those still RUNNING on a node, oldest first. */
  listRunning(nodeId: string): Promise<Operation[]>;
  /** Those RUNNING anywhere of a company ("" for all), oldest first. */
  listAllRunning(companyId: string): Promise<Operation[]>;
  /** The record that was deleted. */
  delete(operationId: string): Promise<Operation | undefined>;
}

export function createOperationQueries(session: Session): OperationQueries {
  return {
    insert: (record) =>
      session.write((tx) => insertResource(tx, table, { ...record, nodeId: tx.nodeId })),
    update: (operationId, patch) =>
      session.write(async (tx) => {
        const before = await get(tx, operationId);
        return before && updateResource(tx, table, before, patch);
      }),
    get: (operationId) => get(session, operationId),
    list: (filter, page) =>
      readPage(
        session,
        page,
        { time: "start_time", id: "operation_id" },
        (db) => selectMatching(db, filter),
        fromRow,
      ),
    listRunning: (nodeId) =>
      session.read(async (db) => {
        const query = selectRunning(db).where("node_id", "=", nodeId);
        return (await query.execute()).map(fromRow);
      }),
    listAllRunning: (companyId) =>
      session.read(async (db) => {
        let query = selectRunning(db);
        if (companyId !== "") query = query.where("company_id", "=", companyId);
        return (await query.execute()).map(fromRow);
      }),
    delete: (operationId) =>
      session.write(async (tx) => {
        const before = await get(tx, operationId);
        if (before !== undefined) await deleteResource(tx, table, before);
        return before;
      }),
  };
}

function get(session: Session, operationId: string): Promise<Operation | undefined> {
  return session.read(async (db) => {
    const query = db.selectFrom("operations").selectAll();
    const row = await query.where("operation_id", "=", operationId).executeTakeFirst();
    return row && fromRow(row);
  });
}

function selectRunning(db: Db) {
  const query = db.selectFrom("operations").selectAll().where(isRunning);
  return query.orderBy("start_time").orderBy("operation_id");
}

function selectMatching(db: Db, { companyId, workspaceIds, runIds, statuses }: OperationFilter) {
  let query = db.selectFrom("operations").selectAll();
  if (companyId !== "") query = query.where("company_id", "=", companyId);
  if (workspaceIds.length > 0) query = query.where("workspace_id", "in", workspaceIds);
  if (statuses.length > 0) query = query.where("status", "in", statuses);
  if (runIds.length > 0) {
    query = query.where((eb) => {
      const leased = eb.selectFrom("leases").select("workspace_id").where("run_id", "in", runIds);
      // The run that realized a workspace stands on the operations of that, after its leases too.
      const realized = eb
        .selectFrom("operations as own")
        .select("own.workspace_id")
        .where("own.actor_run_id", "in", runIds);
      return eb.or([
        eb("actor_run_id", "in", runIds),
        eb.and([
          eb("actor_run_id", "=", ""),
          eb("workspace_id", "<>", ""),
          eb.or([eb("workspace_id", "in", leased), eb("workspace_id", "in", realized)]),
        ]),
      ]);
    });
  }
  return query;
}

const table: ResourceTable<Operation, OperationTable> = {
  name: "operations",
  idColumn: "operation_id",
  toRow,
  toResource: (resource) => ({ kind: "OPERATION", resource }),
};

function toRow(record: Operation): OperationTable {
  return {
    operation_id: record.operationId,
    company_id: record.companyId,
    workspace_id: record.workspaceId,
    project_workspace_id: record.projectWorkspaceId,
    service_ids: JSON.stringify(record.serviceIds),
    actor: toOptionalJson(record.actor),
    actor_run_id: record.actor?.runId ?? "",
    issue_id: record.issueId,
    phase: record.phase,
    command: record.command,
    message: record.message,
    cwd: record.cwd,
    status: record.status,
    exit_code: record.exitCode ?? null,
    metadata: JSON.stringify(record.metadata),
    stdout_excerpt: record.stdoutExcerpt,
    stderr_excerpt: record.stderrExcerpt,
    stdout_bytes: record.stdoutBytes,
    stderr_bytes: record.stderrBytes,
    node_id: record.nodeId,
    start_time: record.startTime,
    end_time: record.endTime ?? null,
    revision: record.revision,
  };
}

function fromRow(row: OperationTable): Operation {
  return {
    operationId: row.operation_id,
    companyId: row.company_id,
    workspaceId: row.workspace_id,
    projectWorkspaceId: row.project_workspace_id,
    serviceIds: fromJson(row.service_ids),
    ...optional("actor", fromOptionalJson<Actor>(row.actor)),
    issueId: row.issue_id,
    phase: row.phase as OperationPhase,
    command: row.command,
    message: row.message,
    cwd: row.cwd,
    status: row.status as OperationStatus,
    ...optional("exitCode", row.exit_code),
    metadata: fromJson(row.metadata),
    stdoutExcerpt: row.stdout_excerpt,
    stderrExcerpt: row.stderr_excerpt,
    stdoutBytes: row.stdout_bytes,
    stderrBytes: row.stderr_bytes,
    nodeId: row.node_id,
    startTime: row.start_time,
    ...optional("endTime", row.end_time),
    revision: row.revision,
  };
}
