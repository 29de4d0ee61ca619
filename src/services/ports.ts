import { RuntimeError } from "../errors.ts";
import type { Store } from "../store/store.ts";
import { candidates, type PortRange, quietRange } from "./free-numbers.ts";
import type { PlannedPort, PortNumbers, ServicePlan } from "./plan.ts";
import { type PortAsker, type PortInUseDependencies, portInUse } from "./port-in-use.ts";

/** Gives numbers to services' ports, so that no two live services are told the same one. */
export interface Ports {
  /**
   * An automatic port is the identity's own as long as it is free, else a new one, reserved in the
   * store. A fixed one must be free. Asked again for one service, it moves the ports in `avoid`.
   * @throws RuntimeError PORT_IN_USE (see port-in-use.ts); PORT_RANGE_EXHAUSTED
   */
  assign(plan: ServicePlan, serviceId: string, avoid?: readonly number[]): Promise<PortNumbers>;
  /** Why the asker cannot have this port: who listens on it, or was given it. */
  inUse(asker: PortAsker, port: number): Promise<RuntimeError>;
  /** The service is adopted with these. */
  take(serviceId: string, ports: PortNumbers): void;
  /** The service is over. Its reservation in the store stays, for the next of its identity. */
  giveBack(serviceId: string): void;
}

export interface PortsDependencies extends PortInUseDependencies {
  readonly store: Store;
  /** Absent: see `quietRange`. */
  readonly range: PortRange | undefined;
  /** Does nobody listen on it, at any address? */
  readonly isFree: (port: number) => Promise<boolean>;
  readonly listenerPids: (port: number) => Promise<readonly number[]>;
  /** The service of this installation that the process says it belongs to. */
  readonly serviceOf: (pid: number) => string | undefined;
}

export function createPorts(deps: PortsDependencies): Ports {
  const { store } = deps;
  const range = deps.range ?? quietRange();
  const holders = new Map<number, string>();

  return {
    async assign(plan, serviceId, avoid = []) {
      const numbers: Record<string, number> = {};
      try {
        for (const port of plan.ports) {
          numbers[port.name] =
            port.fixed === undefined
              ? await assignAutomatic(plan, port, serviceId, avoid)
              : await assignFixed(plan, port.fixed, serviceId);
        }
        keepOnly(serviceId, Object.values(numbers));
        return numbers;
      } catch (error) {
        keepOnly(serviceId, []);
        throw error;
      }
    },
    inUse,
    take(serviceId, ports) {
      for (const port of Object.values(ports)) holders.set(port, serviceId);
    },
    giveBack: (serviceId) => keepOnly(serviceId, []),
  };

  function keepOnly(serviceId: string, ports: readonly number[]): void {
    for (const [port, holder] of holders) {
      if (holder === serviceId && !ports.includes(port)) holders.delete(port);
    }
  }

  /** Taken before the first await: two starts at once never get one number. */
  function hold(port: number, serviceId: string): boolean {
    const holder = holders.get(port);
    if (holder !== undefined) return false;
    holders.set(port, serviceId);
    return true;
  }

  async function assignFixed(plan: ServicePlan, port: number, serviceId: string): Promise<number> {
    // It moves its other ports, and keeps this one meanwhile.
    if (holders.get(port) === serviceId) return port;
    if (!hold(port, serviceId)) throw await inUse(askerOf(plan, serviceId), port);
    if (await deps.isFree(port)) return port;
    holders.delete(port);
    throw await inUse(askerOf(plan, serviceId), port);
  }

  async function assignAutomatic(
    plan: ServicePlan,
    port: PlannedPort,
    serviceId: string,
    avoid: readonly number[],
  ): Promise<number> {
    const owner = {
      companyId: plan.workspace.companyId,
      scopeId: plan.scope.id,
      serviceName: plan.name,
      portName: port.name,
    };
    const former = await store.ports.find(owner);
    if (former !== undefined && !avoid.includes(former.port)) {
      if (holders.get(former.port) === serviceId) return former.port;
      if (await isTaken(former.port)) return former.port;
    }
    for await (const candidate of candidates(range)) {
      if (!avoid.includes(candidate) && (await isTaken(candidate))) return candidate;
    }
    for (const idle of await reservedForTheDead()) {
      if (!avoid.includes(idle) && (await isTaken(idle, "from its owner"))) return idle;
    }
    const where = range === undefined ? "" : ` in ${range.first}-${range.last}`;
    throw new RuntimeError(
      "PORT_RANGE_EXHAUSTED",
      `${plan.name} found no free port${where}: stop services that run, or give another --port-range`,
      { metadata: { service_id: serviceId, service_name: plan.name } },
    );

    /** Takes it if it is nobody's: not of a live service, not of a listener, not reserved for another identity. */
    async function isTaken(candidate: number, from?: "from its owner"): Promise<boolean> {
      if (candidate < FIRST_UNPRIVILEGED || !hold(candidate, serviceId)) return false;
      try {
        if (await deps.isFree(candidate)) {
          if (from !== undefined) await store.ports.release(candidate);
          if ((await store.ports.reserve(candidate, owner, serviceId)).inserted) return true;
        }
      } catch (error) {
        holders.delete(candidate);
        throw error;
      }
      holders.delete(candidate);
      return false;
    }
  }

  /** Numbers kept for identities of which nothing lives, the longest unused first: the last resort of a full range. */
  async function reservedForTheDead(): Promise<number[]> {
    if (range === undefined) return [];
    const reserved = await store.ports.list();
    return reserved
      .filter(({ port }) => port >= range.first && port <= range.last && !holders.has(port))
      .sort((a, b) => a.createTime - b.createTime)
      .map(({ port }) => port);
  }

  async function inUse(asker: PortAsker, port: number): Promise<RuntimeError> {
    const holder = holders.get(port);
    const [pid] = await deps.listenerPids(port);
    const told = pid === undefined ? undefined : deps.serviceOf(pid);
    const serviceId = told ?? (holder === asker.serviceId ? undefined : holder);
    return portInUse(deps, asker, port, {
      pid,
      serviceId: serviceId === asker.serviceId ? undefined : serviceId,
    });
  }
}

/** Below, a listener needs rights that services rarely have. */
const FIRST_UNPRIVILEGED = 1024;

function askerOf(plan: ServicePlan, serviceId: string): PortAsker {
  return {
    serviceId,
    serviceName: plan.name,
    companyId: plan.workspace.companyId,
    reuseKey: plan.identity.reuseKey,
    adapterEnv: plan.adapterEnv,
  };
}
