import { type ExpressionBuilder, sql } from "kysely";
import type { Page, PageRequest } from "../model/page.ts";
import type { Provider, Service, ServiceState } from "../model/service.ts";
import type { ScopeType } from "../model/service-spec.ts";
import type { Dialect } from "./dialect.ts";
import { readPage } from "./page.ts";
import { prepareQuery, type QueryPlace } from "./prepared.ts";
import type { Inserted, Patch } from "./resource.ts";
import { deleteResource, insertResource, reviseResource, updateResource } from "./resource.ts";
import type { Db, Schema } from "./schema.ts";
import type { ServiceStateKey } from "./service-cache.ts";
import { hasNewer, isOfRuns } from "./service-filter.ts";
import type { ServiceRow } from "./service-row.ts";
import { serviceFromRow, serviceTable } from "./service-row.ts";
import type { Session, WriteSession } from "./session.ts";

type Given = "nodeId" | "leaseRunIds" | "createTime" | "updateTime" | "lastUsedTime" | "revision";
export type NewService = Omit<Service, Given>;
export type ServicePatch = Patch<
  Omit<Service, Exclude<Given, "lastUsedTime"> | "serviceId" | "companyId">
>;

/** Fields AND, values of one field OR; an empty field does not filter. */
export interface ServiceFilter {
  readonly companyId: string;
  readonly projectId: string;
  readonly projectWorkspaceIds: readonly string[];
  readonly workspaceIds: readonly string[];
  readonly issueIds: readonly string[];
  /** Services that the run leases or started. */
  readonly runIds: readonly string[];
  readonly serviceNames: readonly string[];
  readonly scopeTypes: readonly ScopeType[];
  readonly providers: readonly Provider[];
  readonly states: readonly ServiceState[];
  /** One row per identity, the newest; applied before `states`. */
  readonly current: boolean;
}

/** The condition of the index `services_one_live`, in its own words: or it would not be used. */
const hasUniqueKey = sql<boolean>`provider = 'LOCAL_PROCESS' and reuse_key <> ''
  and state in ('STARTING', 'RUNNING', 'STOPPING', 'BACKOFF')`;

/** A service in one of these has a process, or will have one. */
export const LIVE_SERVICE_STATES = ["STARTING", "RUNNING", "STOPPING", "BACKOFF"] as const;

export interface ServiceQueries {
  /**
   * Not inserted when its id is taken or a live local service of its company has its reuse key:
   * the record is that one then.
   */
  insert(record: NewService): Promise<Inserted<Service>>;
  /**
   * Undefined when there is no such row, or it is in none of the expected states; equal content
   * makes no revision.
   */
  update(
    serviceId: string,
    patch: ServicePatch,
    expect?: { readonly states: readonly ServiceState[] },
  ): Promise<Service | undefined>;
  get(serviceId: string): Promise<Service | undefined>;
  /** The local service in a live state that serves this key. */
  findLive(companyId: string, reuseKey: string): Promise<Service | undefined>;
  list(filter: ServiceFilter, page: PageRequest): Promise<Page<Service>>;
  /** All that match, oldest first: for the managers, not for callers. */
  listAll(filter: Partial<ServiceFilter>): Promise<Service[]>;
  /** Local services of a node in these states, oldest first. */
  listByStates(nodeId: string, states: readonly ServiceState[]): Promise<Service[]>;
  /** The record that was deleted. Its leases must be gone before. */
  delete(serviceId: string): Promise<Service | undefined>;
}

export function createServiceQueries(session: Session): ServiceQueries {
  return {
    insert: (record) =>
      session.write(async (tx) => {
        const existing =
          (await getService(tx, record.serviceId)) ?? (await findSameKey(tx, record));
        if (existing !== undefined) return { record: existing, inserted: false };
        const now = tx.clock.now();
        const times = { createTime: now, updateTime: now, lastUsedTime: now };
        const complete = { ...record, ...times, nodeId: tx.nodeId, leaseRunIds: [] };
        return { record: await insertResource(tx, serviceTable, complete), inserted: true };
      }),
    update: (serviceId, patch, expect) =>
      session.write(async (tx) => {
        const before = await getService(tx, serviceId);
        if (before === undefined || expect?.states.includes(before.state) === false) {
          return undefined;
        }
        return updateResource(tx, serviceTable, before, patch);
      }),
    get: (serviceId) => getService(session, serviceId),
    findLive: (companyId, reuseKey) => findLive(session, companyId, reuseKey),
    list: (filter, page) =>
      readPage(
        session,
        page,
        { time: "create_time", id: "service_id" },
        (db) => selectMatching(session, db, filter),
        (row) => recordOf(session, row),
      ),
    listAll: (filter) =>
      session.read(async (db) => {
        const query = selectMatching(session, db, filter);
        const rows = await query.orderBy("create_time").execute();
        return rows.map((row) => recordOf(session, row));
      }),
    listByStates: (nodeId, states) =>
      session.read(async (db) => {
        const rows = await selectServices(placeOf(session, db), session.clock.now())
          .where("provider", "=", "LOCAL_PROCESS")
          .where("node_id", "=", nodeId)
          .where("state", "in", states)
          .orderBy("create_time")
          .execute();
        return rows.map(serviceFromRow);
      }),
    delete: (serviceId) =>
      session.write(async (tx) => {
        const before = await getService(tx, serviceId);
        if (before !== undefined) await deleteResource(tx, serviceTable, before);
        return before;
      }),
  };
}

export async function getService(
  session: Session,
  serviceId: string,
): Promise<Service | undefined> {
  const values = { serviceId, now: session.clock.now() };
  const [state] = await session.query(stateById, values);
  if (state === undefined) return undefined;
  const kept = session.services.find(state);
  if (kept !== undefined) return kept;
  const [row] = await session.query(rowById, values);
  return row && recordOf(session, row);
}

const stateById = prepareQuery(
  ["serviceId", "now"],
  ({ db, dialect }, { serviceId, now }: { serviceId: string; now: number }) =>
    db
      .selectFrom("services")
      .select(["services.service_id", "services.revision"])
      .select((eb) => leaseRunIds(eb, dialect, now))
      .where("service_id", "=", serviceId)
      .$castTo<ServiceStateKey>(),
);

const rowById = prepareQuery(
  ["serviceId", "now"],
  (place, { serviceId, now }: { serviceId: string; now: number }) =>
    selectServices(place, now).where("service_id", "=", serviceId),
);

/** The very record that was made of this row before, if it is still kept. */
function recordOf(session: Session, row: ServiceRow): Service {
  const kept = session.services.find(row);
  if (kept !== undefined) return kept;
  const service = serviceFromRow(row);
  if (session.readsCommitted) session.services.keep(row, service);
  return service;
}

function placeOf({ dialect }: Session, db: Db): QueryPlace {
  return { db, dialect };
}

/** After its leases changed: a revision of its own, so that watchers see who holds it now. */
export async function reviseLeasedService(tx: WriteSession, before: Service): Promise<void> {
  const after = await getService(tx, before.serviceId);
  if (after === undefined) return;
  const { leaseRunIds } = after;
  await reviseResource(tx, serviceTable, before, { leaseRunIds, lastUsedTime: tx.clock.now() });
}

function findSameKey(session: Session, record: NewService): Promise<Service | undefined> {
  const isLive = LIVE_SERVICE_STATES.some((state) => state === record.state);
  if (!isLive || record.provider !== "LOCAL_PROCESS" || record.reuseKey === "") {
    return Promise.resolve(undefined);
  }
  return findLive(session, record.companyId, record.reuseKey);
}

function findLive(
  session: Session,
  companyId: string,
  reuseKey: string,
): Promise<Service | undefined> {
  return session.read(async (db) => {
    const row = await selectServices(placeOf(session, db), session.clock.now())
      .where("company_id", "=", companyId)
      .where("reuse_key", "=", reuseKey)
      .where(hasUniqueKey)
      .executeTakeFirst();
    return row && serviceFromRow(row);
  });
}

/** Each with the runs whose leases on it are live now. */
function selectServices({ db, dialect }: QueryPlace, now: number) {
  return db
    .selectFrom("services")
    .selectAll("services")
    .select((eb) => leaseRunIds(eb, dialect, now))
    .$castTo<ServiceRow>();
}

function leaseRunIds(eb: ExpressionBuilder<Schema, "services">, dialect: Dialect, now: number) {
  return eb
    .selectFrom("leases")
    .whereRef("leases.service_id", "=", "services.service_id")
    .where(({ eb: lease, or }) =>
      or([lease("leases.expire_time", "is", null), lease("leases.expire_time", ">", now)]),
    )
    .select(({ ref }) => dialect.jsonArray(ref("leases.run_id")).as("run_ids"))
    .as("lease_run_ids");
}

function selectMatching(session: Session, db: Db, filter: Partial<ServiceFilter>) {
  const { companyId = "", projectId = "", runIds = [], current = false } = filter;
  let query = selectServices(placeOf(session, db), session.clock.now());
  if (companyId !== "") query = query.where("company_id", "=", companyId);
  if (projectId !== "") query = query.where("project_id", "=", projectId);
  for (const [column, values = []] of [
    ["project_workspace_id", filter.projectWorkspaceIds],
    ["workspace_id", filter.workspaceIds],
    ["issue_id", filter.issueIds],
    ["service_name", filter.serviceNames],
    ["scope_type", filter.scopeTypes],
    ["provider", filter.providers],
    ["state", filter.states],
  ] as const) {
    if (values.length > 0) query = query.where(column, "in", values);
  }
  if (runIds.length > 0) query = query.where((eb) => isOfRuns(eb, session.clock.now(), runIds));
  if (current) query = query.where((eb) => eb.not(hasNewer(eb)));
  return query;
}
