import { randomInt } from "node:crypto";
import { createServer } from "node:net";
import { RuntimeError } from "../errors.ts";
import type { Store } from "../store/store.ts";
import type { PlannedPort, PortNumbers, ServicePlan } from "./plan.ts";

/** Gives numbers to services' ports, so that no two live services are told the same one. */
export interface Ports {
  /**
   * An automatic port is the identity's own as long as it is free, else a new one, reserved in the
   * store. A fixed one must be free.
   * @throws RuntimeError PORT_IN_USE with port, pid and service_id; PORT_RANGE_EXHAUSTED
   */
  assign(plan: ServicePlan, serviceId: string): Promise<PortNumbers>;
  /** The service is adopted with these. */
  take(serviceId: string, ports: PortNumbers): void;
  /** The service is over. Its reservation in the store stays, for the next of its identity. */
  giveBack(serviceId: string): void;
}

export interface PortsDependencies {
  readonly store: Store;
  readonly range: { readonly first: number; readonly last: number } | undefined;
  /** Can it be listened on, at any address? */
  readonly isFree: (port: number) => Promise<boolean>;
  readonly listenerPids: (port: number) => Promise<readonly number[]>;
}

const TRIES = 100;

export function createPorts(deps: PortsDependencies): Ports {
  const { store } = deps;
  const holders = new Map<number, string>();

  return {
    async assign(plan, serviceId) {
      const numbers: Record<string, number> = {};
      try {
        for (const port of plan.ports) {
          numbers[port.name] =
            port.fixed === undefined
              ? await assignAutomatic(plan, port, serviceId)
              : await assignFixed(plan, port.fixed, serviceId);
        }
        return numbers;
      } catch (error) {
        giveBack(serviceId);
        throw error;
      }
    },
    take(serviceId, ports) {
      for (const port of Object.values(ports)) holders.set(port, serviceId);
    },
    giveBack,
  };

  function giveBack(serviceId: string): void {
    for (const [port, holder] of holders) if (holder === serviceId) holders.delete(port);
  }

  /** Taken before the first await: two starts at once never get one number. */
  function hold(port: number, serviceId: string): boolean {
    if (holders.has(port)) return false;
    holders.set(port, serviceId);
    return true;
  }

  async function assignFixed(plan: ServicePlan, port: number, serviceId: string): Promise<number> {
    const holder = holders.get(port);
    if (!hold(port, serviceId)) throw await portInUse(plan, port, holder);
    if (await deps.isFree(port)) return port;
    holders.delete(port);
    throw await portInUse(plan, port, undefined);
  }

  async function assignAutomatic(
    plan: ServicePlan,
    port: PlannedPort,
    serviceId: string,
  ): Promise<number> {
    const owner = {
      companyId: plan.workspace.companyId,
      scopeId: plan.scope.id,
      serviceName: plan.name,
      portName: port.name,
    };
    const former = await store.ports.find(owner);
    if (former !== undefined && hold(former.port, serviceId)) {
      if (await deps.isFree(former.port)) return former.port;
      holders.delete(former.port);
    }
    for (let tries = 0; tries < TRIES; tries += 1) {
      const candidate = await freeCandidate(deps);
      if (!hold(candidate, serviceId)) continue;
      const isOurs =
        (await deps.isFree(candidate)) &&
        (await store.ports.reserve(candidate, owner, serviceId)).inserted;
      if (isOurs) return candidate;
      holders.delete(candidate);
    }
    throw new RuntimeError(
      "PORT_RANGE_EXHAUSTED",
      `no free port found for ${plan.name} in ${TRIES} tries: widen --port-range or stop services`,
      { metadata: { service_name: plan.name } },
    );
  }

  async function portInUse(
    plan: ServicePlan,
    port: number,
    holder: string | undefined,
  ): Promise<RuntimeError> {
    const [pid] = await deps.listenerPids(port);
    const service = holder === undefined ? undefined : await store.services.get(holder);
    const known = service?.companyId === plan.workspace.companyId ? service : undefined;
    const who =
      known !== undefined
        ? `service ${known.serviceName} (${known.serviceId})`
        : pid !== undefined
          ? `pid ${pid}`
          : "another process";
    return new RuntimeError(
      "PORT_IN_USE",
      `${plan.name} needs port ${port}, which ${who} uses: stop that, or ask for an automatic port`,
      {
        metadata: {
          port,
          pid,
          service_name: plan.name,
          service_id: known?.serviceId,
        },
      },
    );
  }
}

async function freeCandidate(deps: PortsDependencies): Promise<number> {
  if (deps.range !== undefined) return randomInt(deps.range.first, deps.range.last + 1);
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port: 0, host: "127.0.0.1", exclusive: true }, () => {
      const address = server.address();
      server.close(() => {
        if (typeof address === "object" && address !== null) resolve(address.port);
        else reject(new Error("the system gave no port"));
      });
    });
  });
}
