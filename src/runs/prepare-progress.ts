import type { Clock } from "../clock.ts";
import type { Change } from "../model/change.ts";
import type { Lease } from "../model/lease.ts";
import type { Operation } from "../model/operation.ts";
import type { Service } from "../model/service.ts";
import { isOver } from "../services/state.ts";
import type { Store } from "../store/store.ts";
import { hasLog, type Member, operationMember, serviceMember } from "./members.ts";

/** What one preparation of a run brings about, found in the changes of the store. */
export interface PrepareProgress {
  /** What is under way already, which this preparation joins. Before anything is begun. */
  begin(): Promise<Progress[]>;
  apply(change: Change): Promise<Progress[]>;
  /** From now on only this workspace counts. */
  settle(workspaceId: string): void;
}

/** Something to tell, a log to read on, or both. */
export interface Progress {
  readonly event?:
    | { readonly kind: "operation"; readonly operation: Operation }
    | { readonly kind: "service"; readonly service: Service };
  readonly member?: Member;
}

export interface PrepareProgressOptions {
  readonly store: Pick<Store, "operations" | "services" | "leases">;
  readonly clock: Clock;
  readonly runId: string;
  /** "" while it is not known: found by the run's lease on it. */
  readonly workspaceId: string;
}

export function createPrepareProgress(options: PrepareProgressOptions): PrepareProgress {
  const { store, runId } = options;
  const begun = options.clock.now();
  let settled = options.workspaceId === "" ? undefined : options.workspaceId;
  const places = new Set<string>(settled === undefined ? [] : [settled]);
  /** By their last status that was told. */
  const operations = new Map<string, Operation["status"]>();
  const services = new Map<string, Member>();
  const leases = new Map<string, Lease>();
  const revisions = new Map<string, number>();

  return {
    async begin() {
      for (const lease of await store.leases.listByRun(runId)) {
        if (lease.serviceId !== "") leases.set(lease.serviceId, lease);
      }
      const starting = await store.services.listAll({ runIds: [runId], states: ["STARTING"] });
      const joined = starting.filter(({ workspaceId }) => isHere(workspaceId)).map(ofService);
      const [place] = places;
      return [...joined.flat(), ...(place === undefined ? [] : await under(place))];
    },
    async apply(change) {
      if (change.type === "DELETED") return [];
      switch (change.kind) {
        case "OPERATION":
          return ofOperation(change.resource);
        case "SERVICE":
          return ofService(change.resource);
        case "LEASE":
          return await ofLease(change.resource);
        default:
          return [];
      }
    },
    settle(workspaceId) {
      settled = workspaceId;
      places.clear();
      places.add(workspaceId);
    },
  };

  function isHere(workspaceId: string): boolean {
    return settled === undefined || places.has(workspaceId);
  }

  /** Operations of a workspace that have begun before it was known to be this one's. */
  async function under(workspaceId: string): Promise<Progress[]> {
    const filter = { companyId: "", workspaceIds: [workspaceId], runIds: [], statuses: [] };
    const { items } = await store.operations.list(filter, { pageSize: 0, pageToken: "" });
    return items
      .filter(({ status, startTime }) => status === "RUNNING" || startTime >= begun)
      .reverse()
      .flatMap(ofOperation);
  }

  function ofOperation(operation: Operation): Progress[] {
    const { operationId, workspaceId, actor, phase, status, endTime } = operation;
    if (phase === "SERVICE_CONTROL" || operations.get(operationId) === status) return [];
    const isOurs = places.has(workspaceId) || (settled === undefined && actor?.runId === runId);
    if (!isOurs && !operations.has(operationId)) return [];
    operations.set(operationId, status);
    const event = { kind: "operation", operation } as const;
    if (!hasLog(operation)) return [{ event }];
    return [{ event, member: operationMember(operationId, status === "RUNNING", endTime) }];
  }

  function ofService(service: Service): Progress[] {
    const { serviceId, revision, workspaceId, startedByRunId } = service;
    const isStarted = startedByRunId === runId && isHere(workspaceId);
    const isOurs = services.has(serviceId) || isStarted || isLeasedHere(serviceId);
    if (!isOurs || revision <= (revisions.get(serviceId) ?? 0)) return [];
    revisions.set(serviceId, revision);
    return [{ event: { kind: "service", service }, ...memberOf(service) }];
  }

  async function ofLease(lease: Lease): Promise<Progress[]> {
    const { workspaceId, serviceId } = lease;
    if (lease.runId !== runId || !isHere(workspaceId)) return [];
    if (serviceId === "") {
      if (places.has(workspaceId)) return [];
      places.add(workspaceId);
      return await under(workspaceId);
    }
    leases.set(serviceId, lease);
    if (services.has(serviceId)) return [];
    const service = await store.services.get(serviceId);
    return service === undefined ? [] : [memberOf(service)];
  }

  function isLeasedHere(serviceId: string): boolean {
    const lease = leases.get(serviceId);
    return lease !== undefined && lease.renewTime >= begun && isHere(lease.workspaceId);
  }

  /** Of one that this run did not start just now, what came before belongs to others. */
  function memberOf(service: Service): Pick<Progress, "member"> {
    const { serviceId, startedByRunId, createTime, state, provider } = service;
    if (provider !== "LOCAL_PROCESS") return {};
    const former = services.get(serviceId);
    const lease = leases.get(serviceId);
    const isStart = createTime >= begun || state === "STARTING";
    const isOwn = startedByRunId === runId && isStart;
    const since = Math.max(begun, lease?.createTime ?? 0);
    const origin = former ?? {
      entry: isOwn ? serviceId : (lease?.leaseId ?? serviceId),
      ...(isOwn ? {} : { since }),
    };
    const member = serviceMember(service, {
      entry: origin.entry,
      ...(origin.since === undefined ? {} : { since: origin.since }),
      state: isOver(state) ? "over" : "open",
    });
    services.set(serviceId, member);
    return { member };
  }
}
