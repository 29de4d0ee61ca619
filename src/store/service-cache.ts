import type { Service } from "../model/service.ts";

/**
 * Records by what makes them what they are: id, revision and live leases. The database is asked for these
 * each time; the cache spares the rest of the row, and gives one object for one state, so that others
 * can keep what they made of it.
 */
export interface ServiceCache {
  find(state: ServiceStateKey): Service | undefined;
  /** Committed ones only: a revision that is rolled back comes again with something else. */
  keep(state: ServiceStateKey, service: Service): void;
}

export interface ServiceStateKey {
  readonly service_id: string;
  readonly revision: number;
  /** As the database gives them. */
  readonly lease_run_ids: string;
}

/** Some 2 KB each, and as much again where they are watched. */
const MOST_SERVICES = 4_096;

export function createServiceCache(): ServiceCache {
  const entries = new Map<string, { state: ServiceStateKey; service: Service }>();
  return {
    find({ service_id, revision, lease_run_ids }) {
      const entry = entries.get(service_id);
      if (entry?.state.revision !== revision || entry.state.lease_run_ids !== lease_run_ids) {
        return undefined;
      }
      return entry.service;
    },
    keep({ service_id, revision, lease_run_ids }, service) {
      // The newest kept is the last to go.
      entries.delete(service_id);
      entries.set(service_id, { state: { service_id, revision, lease_run_ids }, service });
      if (entries.size > MOST_SERVICES) {
        const [oldest] = entries.keys();
        if (oldest !== undefined) entries.delete(oldest);
      }
    },
  };
}
