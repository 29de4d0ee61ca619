import { sql } from "kysely";
import { hasNewer } from "./service-filter.ts";
import type { Session } from "./session.ts";

/** What has ended and is old. Times are epoch ms, `companyId` "" means all companies. */
export interface GarbageQueries {
  /**
   * Ids of services that ended before `before`, oldest first: neither leased nor the newest of their identity, and of
   * this node, whose files they are.
   */
  services(companyId: string, before: number): Promise<string[]>;
  /** Ids of this node's operations that ended before `before`, oldest first. */
  operations(companyId: string, before: number): Promise<string[]>;
  /**
   * Ports reserved on this node for a scope that is no more: the workspace was archived, the run has ended its services
   * before `before`, or no service of the identity is known.
   */
  ports(companyId: string, before: number): Promise<number[]>;
  /** Services of this node that are not their first instance any more. */
  restarted(
    companyId: string,
  ): Promise<{ readonly serviceId: string; readonly instance: number }[]>;
  /** Ids of all services of this node. */
  serviceIds(): Promise<string[]>;
  /** Ids of all operations of this node. */
  operationIds(): Promise<string[]>;
}

export function createGarbageQueries(session: Session): GarbageQueries {
  const { nodeId } = session;
  return {
    services: (companyId, before) =>
      session.read(async (db) => {
        let query = db
          .selectFrom("services")
          .select("service_id")
          .where("node_id", "=", nodeId)
          .where("state", "in", ["STOPPED", "FAILED"])
          .where(sql<boolean>`coalesce(stop_time, update_time) <= ${before}`)
          .where(hasNewer)
          .where(({ not, exists, selectFrom }) =>
            not(
              exists(
                selectFrom("leases")
                  .select("leases.lease_id")
                  .whereRef("leases.service_id", "=", "services.service_id"),
              ),
            ),
          );
        if (companyId !== "") query = query.where("company_id", "=", companyId);
        return (await query.orderBy("create_time").execute()).map(({ service_id }) => service_id);
      }),
    operations: (companyId, before) =>
      session.read(async (db) => {
        let query = db
          .selectFrom("operations")
          .select("operation_id")
          .where("node_id", "=", nodeId)
          .where("status", "<>", "RUNNING")
          .where("end_time", "<=", before);
        if (companyId !== "") query = query.where("company_id", "=", companyId);
        const rows = await query.orderBy("start_time").execute();
        return rows.map(({ operation_id }) => operation_id);
      }),
    ports: (companyId, before) =>
      session.read(async (db) => {
        let query = db
          .selectFrom("ports")
          .select("port")
          .where("node_id", "=", nodeId)
          .where(({ or, not, exists, selectFrom }) =>
            or([
              exists(
                selectFrom("workspaces")
                  .select("workspace_id")
                  .whereRef("workspaces.workspace_id", "=", "ports.scope_id")
                  .where("workspaces.state", "=", "ARCHIVED"),
              ),
              not(
                exists(
                  selectFrom("services")
                    .select("services.service_id")
                    .whereRef("services.company_id", "=", "ports.company_id")
                    .whereRef("services.scope_id", "=", "ports.scope_id")
                    .whereRef("services.service_name", "=", "ports.service_name")
                    .where(
                      sql<boolean>`(services.scope_type <> 'RUN' or services.state not in ('STOPPED', 'FAILED')
                        or coalesce(services.stop_time, services.update_time) > ${before})`,
                    ),
                ),
              ),
            ]),
          )
          // Whoever lives has it still.
          .where(({ not, exists, selectFrom }) =>
            not(
              exists(
                selectFrom("services")
                  .select("services.service_id")
                  .whereRef("services.service_id", "=", "ports.service_id")
                  .where("services.state", "not in", ["STOPPED", "FAILED"]),
              ),
            ),
          );
        if (companyId !== "") query = query.where("company_id", "=", companyId);
        return (await query.orderBy("port").execute()).map(({ port }) => port);
      }),
    restarted: (companyId) =>
      session.read(async (db) => {
        let query = db.selectFrom("services").select(["service_id", "instance"]);
        query = query.where("node_id", "=", nodeId).where("instance", ">", 1);
        if (companyId !== "") query = query.where("company_id", "=", companyId);
        const rows = await query.execute();
        return rows.map(({ service_id, instance }) => ({ serviceId: service_id, instance }));
      }),
    serviceIds: () =>
      session.read(async (db) => {
        const query = db.selectFrom("services").select("service_id");
        const rows = await query.where("node_id", "=", nodeId).execute();
        return rows.map(({ service_id }) => service_id);
      }),
    operationIds: () =>
      session.read(async (db) => {
        const query = db.selectFrom("operations").select("operation_id");
        const rows = await query.where("node_id", "=", nodeId).execute();
        return rows.map(({ operation_id }) => operation_id);
      }),
  };
}
