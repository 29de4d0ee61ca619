import type { ServiceLife } from "./life.ts";

/**
 * The lives that this server drives now, found by id and by identity. Finding and adding are
 * synchronous: between them no other call can slip in, which is what makes one process of an
 * identity one.
 */
export interface Registry {
  add(life: ServiceLife): void;
  remove(life: ServiceLife): void;
  get(serviceId: string): ServiceLife | undefined;
  /** Equal in all but the adapter's variables. */
  ofIdentity(base: string): readonly ServiceLife[];
  all(): readonly ServiceLife[];
}

export function createRegistry(): Registry {
  const byId = new Map<string, ServiceLife>();
  const byBase = new Map<string, Set<ServiceLife>>();
  return {
    add(life) {
      byId.set(life.serviceId, life);
      const base = life.identity.base;
      byBase.set(base, (byBase.get(base) ?? new Set()).add(life));
    },
    remove(life) {
      byId.delete(life.serviceId);
      const same = byBase.get(life.identity.base);
      same?.delete(life);
      if (same?.size === 0) byBase.delete(life.identity.base);
    },
    get: (serviceId) => byId.get(serviceId),
    ofIdentity: (base) => [...(byBase.get(base) ?? [])],
    all: () => [...byId.values()],
  };
}
