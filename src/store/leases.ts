import { v7 as uuidv7 } from "uuid";
import { type Lease, type LeaseMode, standsUntil } from "../model/lease.ts";
import type { Page, PageRequest } from "../model/page.ts";
import { optional } from "./json.ts";
import { readPage } from "./page.ts";
import { prepareQuery } from "./prepared.ts";
import type { ResourceTable } from "./resource.ts";
import { deleteResource, insertResource, reviseResource } from "./resource.ts";
import type { Db, LeaseTable } from "./schema.ts";
import { getService, reviseLeasedService } from "./services.ts";
import type { Session, WriteSession } from "./session.ts";

export interface LeaseClaim {
  readonly companyId: string;
  readonly runId: string;
  readonly workspaceId: string;
  /** "" for the workspace itself. */
  readonly serviceId: string;
  readonly mode: LeaseMode;
  /** 0: never expires. */
  readonly ttlMs: number;
}

/** Fields AND, values of one field OR; an empty field does not filter. */
export interface LeaseFilter {
  readonly companyId: string;
  readonly runIds: readonly string[];
  readonly serviceIds: readonly string[];
  readonly workspaceIds: readonly string[];
}

/**
 * A lease is live until its expire time has come. Where one on a service begins or ends, the
 * service gets a new revision and `lastUsedTime` in the same transaction.
 */
export interface LeaseQueries {
  /**
   * Renews the run's live claim on this very thing, with the new mode and ttl, or makes one with a
   * new fencing token. Whether others stand against it is the caller's to ask, in one transaction.
   */
  acquire(claim: LeaseClaim): Promise<Lease>;
  /**
   * The run's claim on this very thing if it need not be acquired again: live, of this mode and ttl, and
   * as good as just renewed (`standsUntil`).
   */
  standing(claim: LeaseClaim): Promise<Lease | undefined>;
  /** Each live lease of the run for `ttlMs` from now; absent: for its own ttl. */
  renewRun(runId: string, ttlMs?: number): Promise<Lease[]>;
  /**
   * Every lease that stands for its own ttl from now, after a start or a jump of the clock: nobody
   * could renew while the server was away, so those whose time came meanwhile count as well.
   */
  renewAll(): Promise<void>;
  /** Epoch ms at which the next lease expires; undefined when none will. */
  nextExpiry(): Promise<number | undefined>;
  /** Live ones on the workspace itself, oldest first. */
  holdersOfWorkspace(workspaceId: string): Promise<Lease[]>;
  /** Live ones, oldest first. */
  holdersOfService(serviceId: string): Promise<Lease[]>;
  /** Live ones of a run, oldest first. */
  listByRun(runId: string): Promise<Lease[]>;
  /** Live ones on the workspace itself and on services that were taken through it, oldest first. */
  listByWorkspace(workspaceId: string): Promise<Lease[]>;
  /** Live ones of a company ("" for all), oldest first. */
  listLive(companyId: string): Promise<Lease[]>;
  /** Those whose time has come, of all companies, and that still stand. */
  listExpired(): Promise<Lease[]>;
  /** Live ones. */
  list(filter: LeaseFilter, page: PageRequest): Promise<Page<Lease>>;
  /** Each of these answers the leases that it deleted, expired ones included. */
  delete(leaseId: string): Promise<Lease[]>;
  deleteByRun(runId: string): Promise<Lease[]>;
  deleteByService(serviceId: string): Promise<Lease[]>;
  /** Those on the workspace and those on services that were taken through it. */
  deleteByWorkspace(workspaceId: string): Promise<Lease[]>;
}

export function createLeaseQueries(session: Session): LeaseQueries {
  return {
    acquire: (claim) => session.write((tx) => acquire(tx, claim)),
    standing: async (claim) => {
      const { runId, workspaceId, serviceId, mode, ttlMs } = claim;
      const [row] = await session.query(claimed, { runId, workspaceId, serviceId });
      if (row === undefined || row.mode !== mode || row.ttl_ms !== ttlMs) return undefined;
      const lease = fromRow(row);
      const now = session.clock.now();
      // A clock that was set back says nothing of an age.
      return lease.renewTime <= now && now <= standsUntil(lease) ? lease : undefined;
    },
    renewRun: (runId, ttlMs) =>
      session.write(async (tx) => {
        const leases = await selectLive(tx, { run_id: runId });
        return renewEach(tx, leases, (lease) => ttlMs ?? lease.ttlMs);
      }),
    renewAll: () =>
      session.write(async (tx) => {
        await renewEach(tx, await select(tx, {}), (lease) => lease.ttlMs);
      }),
    nextExpiry: () =>
      session.read(async (db) => {
        const query = db.selectFrom("leases").select("expire_time");
        const row = await query
          .where("expire_time", "is not", null)
          .orderBy("expire_time")
          .executeTakeFirst();
        return row?.expire_time ?? undefined;
      }),
    holdersOfWorkspace: (workspaceId) =>
      selectLive(session, { workspace_id: workspaceId, service_id: "" }),
    holdersOfService: (serviceId) => selectLive(session, { service_id: serviceId }),
    listByRun: async (runId) => {
      const now = session.clock.now();
      const leases = (await session.query(ofRun, { runId })).map(fromRow);
      return leases.filter((lease) => isLive(lease, now));
    },
    listByWorkspace: (workspaceId) => selectLive(session, { workspace_id: workspaceId }),
    listLive: (companyId) => selectLive(session, companyId === "" ? {} : { company_id: companyId }),
    listExpired: () =>
      session.read(async (db) => {
        const query = db.selectFrom("leases").selectAll();
        const rows = await query.where("expire_time", "<=", session.clock.now()).execute();
        return rows.map(fromRow);
      }),
    list: (filter, page) => list(session, filter, page),
    delete: (leaseId) => deleteWhere(session, { lease_id: leaseId }),
    deleteByRun: (runId) => deleteWhere(session, { run_id: runId }),
    deleteByService: (serviceId) => deleteWhere(session, { service_id: serviceId }),
    deleteByWorkspace: (workspaceId) => deleteWhere(session, { workspace_id: workspaceId }),
  };
}

const claimed = prepareQuery(
  ["runId", "workspaceId", "serviceId"],
  ({ db }, claim: { runId: string; workspaceId: string; serviceId: string }) =>
    db
      .selectFrom("leases")
      .selectAll()
      .where("run_id", "=", claim.runId)
      .where("workspace_id", "=", claim.workspaceId)
      .where("service_id", "=", claim.serviceId),
);

const ofRun = prepareQuery(["runId"], ({ db }, { runId }: { runId: string }) =>
  db
    .selectFrom("leases")
    .selectAll()
    .where("run_id", "=", runId)
    .orderBy("create_time")
    .orderBy("lease_id"),
);

async function acquire(tx: WriteSession, claim: LeaseClaim): Promise<Lease> {
  const now = tx.clock.now();
  const [own] = await select(tx, {
    run_id: claim.runId,
    workspace_id: claim.workspaceId,
    service_id: claim.serviceId,
  });
  if (own !== undefined && isLive(own, now)) {
    const { mode, ttlMs } = claim;
    return reviseResource(tx, table, own, { mode, ...timesFrom(now, ttlMs) });
  }
  const service = claim.serviceId === "" ? undefined : await getService(tx, claim.serviceId);
  if (own !== undefined) await deleteResource(tx, table, own);
  const lease = await insertResource(tx, table, {
    leaseId: uuidv7(),
    ...claim,
    // The counter of all changes only grows, and so does this.
    fencingToken: tx.nextRevision(),
    createTime: now,
    renewTime: now,
    ...optional("expireTime", expireTime(now, claim.ttlMs) ?? null),
  });
  if (service !== undefined) await reviseLeasedService(tx, service);
  return lease;
}

async function renewEach(
  tx: WriteSession,
  leases: readonly Lease[],
  ttlOf: (lease: Lease) => number,
): Promise<Lease[]> {
  const renewed: Lease[] = [];
  for (const lease of leases) {
    renewed.push(await reviseResource(tx, table, lease, timesFrom(tx.clock.now(), ttlOf(lease))));
  }
  return renewed;
}

function deleteWhere(session: Session, columns: Partial<LeaseTable>): Promise<Lease[]> {
  return session.write(async (tx) => {
    const leases = await select(tx, columns);
    const services = [];
    for (const serviceId of new Set(leases.map((lease) => lease.serviceId))) {
      services.push(await getService(tx, serviceId));
    }
    for (const lease of leases) await deleteResource(tx, table, lease);
    for (const service of services) {
      if (service !== undefined) await reviseLeasedService(tx, service);
    }
    return leases;
  });
}

async function selectLive(session: Session, columns: Partial<LeaseTable>): Promise<Lease[]> {
  const now = session.clock.now();
  return (await select(session, columns)).filter((lease) => isLive(lease, now));
}

function select(session: Session, columns: Partial<LeaseTable>): Promise<Lease[]> {
  return session.read(async (db) => {
    const rows = await db
      .selectFrom("leases")
      .selectAll()
      .where((eb) => eb.and(columns))
      .orderBy("create_time")
      .orderBy("lease_id")
      .execute();
    return rows.map(fromRow);
  });
}

function list(session: Session, filter: LeaseFilter, page: PageRequest): Promise<Page<Lease>> {
  const order = { time: "create_time", id: "lease_id" };
  const query = (db: Db) => {
    const { companyId, runIds, serviceIds, workspaceIds } = filter;
    let leases = db
      .selectFrom("leases")
      .selectAll()
      .where((eb) =>
        eb.or([eb("expire_time", "is", null), eb("expire_time", ">", session.clock.now())]),
      );
    if (companyId !== "") leases = leases.where("company_id", "=", companyId);
    if (runIds.length > 0) leases = leases.where("run_id", "in", runIds);
    if (serviceIds.length > 0) leases = leases.where("service_id", "in", serviceIds);
    if (workspaceIds.length > 0) leases = leases.where("workspace_id", "in", workspaceIds);
    return leases;
  };
  return readPage(session, page, order, query, fromRow);
}

function isLive({ expireTime }: Lease, now: number): boolean {
  return expireTime === undefined || expireTime > now;
}

function timesFrom(now: number, ttlMs: number) {
  return { ttlMs, renewTime: now, expireTime: expireTime(now, ttlMs) };
}

function expireTime(now: number, ttlMs: number): number | undefined {
  return ttlMs === 0 ? undefined : now + ttlMs;
}

const table: ResourceTable<Lease, LeaseTable> = {
  name: "leases",
  idColumn: "lease_id",
  toRow,
  toResource: (resource) => ({ kind: "LEASE", resource }),
};

function toRow(record: Lease): LeaseTable {
  return {
    lease_id: record.leaseId,
    company_id: record.companyId,
    run_id: record.runId,
    workspace_id: record.workspaceId,
    service_id: record.serviceId,
    mode: record.mode,
    ttl_ms: record.ttlMs,
    fencing_token: record.fencingToken,
    create_time: record.createTime,
    renew_time: record.renewTime,
    expire_time: record.expireTime ?? null,
    revision: record.revision,
  };
}

function fromRow(row: LeaseTable): Lease {
  return {
    leaseId: row.lease_id,
    companyId: row.company_id,
    runId: row.run_id,
    workspaceId: row.workspace_id,
    serviceId: row.service_id,
    mode: row.mode as LeaseMode,
    ttlMs: row.ttl_ms,
    fencingToken: row.fencing_token,
    createTime: row.create_time,
    renewTime: row.renew_time,
    ...optional("expireTime", row.expire_time),
    revision: row.revision,
  };
}
