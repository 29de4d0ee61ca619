import type { Expression, ExpressionBuilder, SqlBool } from "kysely";
import { sql } from "kysely";
import type { Schema } from "./schema.ts";

type Services = ExpressionBuilder<Schema, "services">;

/** Started by one of the runs, or leased by one now. */
export function isOfRuns(
  eb: Services,
  now: number,
  runIds: readonly string[],
): Expression<SqlBool> {
  const leased = eb
    .selectFrom("leases")
    .select("leases.lease_id")
    .whereRef("leases.service_id", "=", "services.service_id")
    .where("leases.run_id", "in", runIds)
    .where((lease) =>
      lease.or([lease("leases.expire_time", "is", null), lease("leases.expire_time", ">", now)]),
    );
  return eb.or([eb("services.started_by_run_id", "in", runIds), eb.exists(leased)]);
}

/** A newer service of the same identity exists. */
export function hasNewer(eb: Services): Expression<SqlBool> {
  return eb.exists(
    eb
      .selectFrom("services as newer")
      .select("newer.service_id")
      .whereRef("newer.company_id", "=", "services.company_id")
      .whereRef("newer.identity", "=", "services.identity")
      .where(
        sql<boolean>`(newer.create_time, newer.service_id) > (services.create_time, services.service_id)`,
      ),
  );
}
