import type { Inserted } from "./resource.ts";
import type { PortTable } from "./schema.ts";
import type { Session } from "./session.ts";

/** A port number that belongs to one port of one service identity on one node. */
export interface PortReservation extends PortOwner {
  readonly nodeId: string;
  readonly port: number;
  /** The newest service of the identity that asked for it. */
  readonly serviceId: string;
  /** Epoch ms. */
  readonly createTime: number;
}

/** To whom an automatic port goes again, life after life. */
export interface PortOwner {
  readonly companyId: string;
  readonly scopeId: string;
  readonly serviceName: string;
  /** "" for the service's main port. */
  readonly portName: string;
}

export interface PortQueries {
  /**
   * Gives the port to the owner, in place of any other port that it had. Not inserted when somebody
   * else has it: the record is theirs then.
   */
  reserve(port: number, owner: PortOwner, serviceId: string): Promise<Inserted<PortReservation>>;
  find(owner: PortOwner): Promise<PortReservation | undefined>;
  /** Whoever has this number on this node. */
  findHolder(port: number): Promise<PortReservation | undefined>;
  release(port: number): Promise<void>;
  /** Frees every port of a scope: a project workspace's when it is deleted. */
  releaseScope(companyId: string, scopeId: string): Promise<void>;
  /** Frees the ports of what ran in a workspace, but for those of its project's services: when it is cleaned. */
  releaseWorkspace(companyId: string, workspaceId: string): Promise<void>;
  /** All of this node, by number. */
  list(): Promise<PortReservation[]>;
}

export function createPortQueries(session: Session): PortQueries {
  const { nodeId } = session;
  return {
    reserve: (port, owner, serviceId) =>
      session.write(async (tx) => {
        const holder = await findHolder(tx, port);
        if (holder !== undefined && !isSameOwner(holder, owner)) {
          return { record: holder, inserted: false };
        }
        const record = { ...owner, nodeId, port, serviceId, createTime: tx.clock.now() };
        await tx.db
          .deleteFrom("ports")
          .where("node_id", "=", nodeId)
          .where("company_id", "=", owner.companyId)
          .where("scope_id", "=", owner.scopeId)
          .where("service_name", "=", owner.serviceName)
          .where("port_name", "=", owner.portName)
          .execute();
        await tx.db.insertInto("ports").values(toRow(record)).execute();
        return { record, inserted: true };
      }),
    find: (owner) =>
      session.read(async (db) => {
        const row = await db
          .selectFrom("ports")
          .selectAll()
          .where("node_id", "=", nodeId)
          .where("company_id", "=", owner.companyId)
          .where("scope_id", "=", owner.scopeId)
          .where("service_name", "=", owner.serviceName)
          .where("port_name", "=", owner.portName)
          .executeTakeFirst();
        return row && fromRow(row);
      }),
    findHolder: (port) => findHolder(session, port),
    release: (port) =>
      session.write(async ({ db }) => {
        const query = db.deleteFrom("ports").where("node_id", "=", nodeId);
        await query.where("port", "=", port).execute();
      }),
    releaseScope: (companyId, scopeId) =>
      session.write(async ({ db }) => {
        const query = db.deleteFrom("ports").where("node_id", "=", nodeId);
        await query.where("company_id", "=", companyId).where("scope_id", "=", scopeId).execute();
      }),
    releaseWorkspace: (companyId, workspaceId) =>
      session.write(async ({ db }) => {
        const query = db.deleteFrom("ports").where("node_id", "=", nodeId);
        await query
          .where("company_id", "=", companyId)
          .where(({ eb, or, selectFrom }) =>
            or([
              eb("scope_id", "=", workspaceId),
              // A scope of a run or an agent does not say in which workspace it was.
              eb(
                "service_id",
                "in",
                selectFrom("services")
                  .select("services.service_id")
                  .where("workspace_id", "=", workspaceId)
                  .where("scope_type", "<>", "PROJECT_WORKSPACE"),
              ),
            ]),
          )
          .execute();
      }),
    list: () =>
      session.read(async (db) => {
        const query = db.selectFrom("ports").selectAll().where("node_id", "=", nodeId);
        return (await query.orderBy("port").execute()).map(fromRow);
      }),
  };
}

function findHolder(session: Session, port: number): Promise<PortReservation | undefined> {
  return session.read(async (db) => {
    const query = db.selectFrom("ports").selectAll().where("node_id", "=", session.nodeId);
    const row = await query.where("port", "=", port).executeTakeFirst();
    return row && fromRow(row);
  });
}

function isSameOwner(a: PortOwner, b: PortOwner): boolean {
  return (
    a.companyId === b.companyId &&
    a.scopeId === b.scopeId &&
    a.serviceName === b.serviceName &&
    a.portName === b.portName
  );
}

function toRow(record: PortReservation): PortTable {
  return {
    node_id: record.nodeId,
    port: record.port,
    company_id: record.companyId,
    scope_id: record.scopeId,
    service_name: record.serviceName,
    port_name: record.portName,
    service_id: record.serviceId,
    create_time: record.createTime,
  };
}

function fromRow(row: PortTable): PortReservation {
  return {
    nodeId: row.node_id,
    port: row.port,
    companyId: row.company_id,
    scopeId: row.scope_id,
    serviceName: row.service_name,
    portName: row.port_name,
    serviceId: row.service_id,
    createTime: row.create_time,
  };
}
