import type { Lease } from "../model/lease.ts";
import type { OperationPhase } from "../model/operation.ts";
import type { Service } from "../model/service.ts";
import type { WorkspaceState } from "../model/workspace.ts";
import { createChangeQueries } from "./changes.ts";
import { optional } from "./json.ts";
import { createLeaseQueries } from "./leases.ts";
import { createServiceQueries } from "./services.ts";
import type { RootSession, Session } from "./session.ts";
import { createWorkspaceQueries } from "./workspaces.ts";

export interface LogMembersQuery {
  readonly owner:
    | { readonly kind: "run"; readonly runId: string }
    | { readonly kind: "workspace"; readonly workspaceId: string };
  /** Operations with lower ids are left out, but for those that still run. */
  readonly after: string;
  /** Of the owner's operations, these as well. */
  readonly operationIds: readonly string[];
  /** Also these services, whosever they are by now. */
  readonly serviceIds: readonly string[];
}

/** What a run or a workspace has that writes logs, all as of one revision. */
export interface LogMembers {
  readonly revision: number;
  /** In the order of their ids. */
  readonly operations: readonly OperationOutline[];
  /** Those started for the owner, those that it leases, and those asked for by id. */
  readonly services: readonly Service[];
  /** Live ones: of the run, or through the workspace. */
  readonly leases: readonly Lease[];
  /** Of an owner that is a workspace. */
  readonly workspaceState?: WorkspaceState;
  /** The workspace has a row; the run a lease, an operation or a service that it started. */
  readonly isKnown: boolean;
}

/** An operation without its excerpts: a workspace may have thousands. */
export interface OperationOutline {
  readonly operationId: string;
  readonly phase: OperationPhase;
  readonly command: string;
  readonly isRunning: boolean;
  readonly endTime?: number;
}

export function readLogMembers(root: RootSession, query: LogMembersQuery): Promise<LogMembers> {
  const { owner } = query;
  return root.snapshot(async (session) => {
    const revision = await createChangeQueries(session).revision();
    const leases = await readLeases(session, owner);
    const services = await readServices(session, query, leases);
    const operations = await readOperations(session, query);
    if (owner.kind === "workspace") {
      const row = await createWorkspaceQueries(session).get(owner.workspaceId);
      const known = {
        isKnown: row !== undefined,
        ...optional("workspaceState", row?.state ?? null),
      };
      return { revision, operations, services, leases, ...known };
    }
    const isKnown =
      leases.length > 0 ||
      services.some(({ startedByRunId }) => startedByRunId === owner.runId) ||
      (await hasOperation(session, owner.runId));
    return { revision, operations, services, leases, isKnown };
  });
}

function readLeases(session: Session, owner: LogMembersQuery["owner"]): Promise<Lease[]> {
  const leases = createLeaseQueries(session);
  return owner.kind === "run"
    ? leases.listByRun(owner.runId)
    : leases.listByWorkspace(owner.workspaceId);
}

async function readServices(
  session: Session,
  { owner, serviceIds }: LogMembersQuery,
  leases: readonly Lease[],
): Promise<Service[]> {
  const queries = createServiceQueries(session);
  const own = await queries.listAll(
    owner.kind === "run" ? { runIds: [owner.runId] } : { workspaceIds: [owner.workspaceId] },
  );
  const known = new Set(own.map(({ serviceId }) => serviceId));
  const others = new Set([...serviceIds, ...leases.map(({ serviceId }) => serviceId)]);
  for (const serviceId of others) {
    if (serviceId === "" || known.has(serviceId)) continue;
    const service = await queries.get(serviceId);
    if (service !== undefined) own.push(service);
  }
  return own;
}

function readOperations(
  session: Session,
  { owner, after, operationIds }: LogMembersQuery,
): Promise<OperationOutline[]> {
  return session.read(async (db) => {
    const rows = await db
      .selectFrom("operations")
      .select(["operation_id", "phase", "command", "status", "end_time"])
      .where((eb) =>
        owner.kind === "run"
          ? eb("actor_run_id", "=", owner.runId)
          : eb("workspace_id", "=", owner.workspaceId),
      )
      .where((eb) =>
        eb.or([
          eb("operation_id", ">=", after),
          eb("status", "=", "RUNNING"),
          ...(operationIds.length > 0 ? [eb("operation_id", "in", operationIds)] : []),
        ]),
      )
      .orderBy("operation_id")
      .execute();
    return rows.map((row) => ({
      operationId: row.operation_id,
      phase: row.phase as OperationPhase,
      command: row.command,
      isRunning: row.status === "RUNNING",
      ...optional("endTime", row.end_time),
    }));
  });
}

function hasOperation(session: Session, runId: string): Promise<boolean> {
  return session.read(async (db) => {
    const query = db.selectFrom("operations").select("operation_id");
    return (
      (await query.where("actor_run_id", "=", runId).limit(1).executeTakeFirst()) !== undefined
    );
  });
}
