import type { Change } from "../model/change.ts";
import type { Lease } from "../model/lease.ts";
import type { Service } from "../model/service.ts";
import type { WorkspaceState } from "../model/workspace.ts";
import { stopsWithLastLease } from "../services/release.ts";
import { isOver } from "../services/state.ts";
import type { LogMembers } from "../store/log-members.ts";
import type { Store } from "../store/store.ts";
import {
  hasLog,
  type LogGroup,
  type Member,
  operationMember,
  serviceKey,
  serviceMember,
} from "./members.ts";

/** Who belongs to a group, followed through the changes of the store. */
export interface Roster {
  members(): readonly Member[];
  /** Takes in one change; answers the members that are new or other than before. */
  apply(change: Change): Promise<readonly Member[]>;
  /** Nothing more of this group will be written: no live lease and no running operation; archived. */
  isOver(): boolean;
}

/** What a roster needs of the store. */
export type RosterStore = Pick<Store, "services" | "workspaces" | "projectWorkspaces">;

/**
 * `found` is what the store had to say; changes after its revision are to be applied in their order.
 * `begun` are services that a reader has begun to tell: they stay, whosever they are by now.
 */
export async function createRoster(
  store: RosterStore,
  group: LogGroup,
  found: LogMembers,
  begun: readonly string[] = [],
): Promise<Roster> {
  const members = new Map<string, Member>();
  const services = new Map<string, Service>();
  const leases = new Map<string, Lease>();
  const running = new Set<string>();
  let workspaceState: WorkspaceState | undefined = found.workspaceState;

  for (const operation of found.operations) {
    const { operationId, isRunning, endTime } = operation;
    if (isRunning) running.add(operationId);
    if (hasLog(operation)) put(operationMember(operationId, isRunning, endTime));
  }
  for (const lease of found.leases) leases.set(lease.leaseId, lease);
  for (const service of found.services) services.set(service.serviceId, service);
  for (const service of found.services) await judge(service.serviceId);

  return {
    members: () => [...members.values()],
    apply,
    isOver() {
      if ([...members.values()].some(({ state }) => state === "open")) return false;
      if (running.size > 0) return false;
      return group.kind === "run"
        ? leases.size === 0
        : workspaceState === undefined || workspaceState === "ARCHIVED";
    },
  };

  async function apply(change: Change): Promise<readonly Member[]> {
    const { kind, resource } = change;
    const isGone = change.type === "DELETED";
    switch (kind) {
      case "OPERATION": {
        const { operationId, actor, workspaceId, status, endTime } = resource;
        const isOurs = group.kind === "run" ? actor?.runId === group.runId : isHere(workspaceId);
        if (!isOurs) return [];
        const isRunning = status === "RUNNING" && !isGone;
        if (isRunning) running.add(operationId);
        else running.delete(operationId);
        if (!hasLog(resource)) return [];
        return put(operationMember(operationId, isRunning, endTime));
      }
      case "LEASE": {
        const isOurs =
          group.kind === "run" ? resource.runId === group.runId : isHere(resource.workspaceId);
        if (!isOurs) return [];
        if (isGone) leases.delete(resource.leaseId);
        else leases.set(resource.leaseId, resource);
        return resource.serviceId === "" ? [] : await judge(resource.serviceId);
      }
      case "SERVICE": {
        const { serviceId } = resource;
        const known = services.get(serviceId);
        if (known === undefined && !isOwn(resource)) return [];
        // Read from the store meanwhile, which was ahead of this change.
        if (known !== undefined && known.revision > resource.revision) return [];
        services.set(serviceId, resource);
        const changed = await judge(serviceId, isGone);
        if (isGone) services.delete(serviceId);
        return changed;
      }
      case "WORKSPACE": {
        if (!isHere(resource.workspaceId)) return [];
        const was = workspaceState;
        workspaceState = isGone ? undefined : resource.state;
        if (was === workspaceState) return [];
        const changed = [];
        for (const serviceId of services.keys()) changed.push(...(await judge(serviceId)));
        return changed;
      }
      default:
        return [];
    }
  }

  function isHere(workspaceId: string): boolean {
    return group.kind === "workspace" && workspaceId === group.workspaceId;
  }

  function isOwn(service: Service): boolean {
    return group.kind === "run"
      ? service.startedByRunId === group.runId
      : isHere(service.workspaceId);
  }

  /** What the group has of a service now. */
  async function judge(serviceId: string, isGone = false): Promise<readonly Member[]> {
    const service = services.get(serviceId) ?? (await store.services.get(serviceId));
    // What an adapter runs elsewhere writes nothing here.
    if (service === undefined || service.provider !== "LOCAL_PROCESS") return [];
    services.set(serviceId, service);
    const former = members.get(serviceKey(serviceId));
    const lease = leaseOn(serviceId, former);
    const origin = originOf(service, lease, former);
    if (origin === undefined) return [];
    const { stopTime } = service;
    return put(
      serviceMember(service, {
        entry: origin.entry,
        ...(origin.since === undefined ? {} : { since: origin.since }),
        state: isGone ? "over" : await stateOf(service, lease, former),
        ...(stopTime === undefined ? {} : { endTime: stopTime }),
      }),
    );
  }

  function originOf(
    service: Service,
    lease: Lease | undefined,
    former: Member | undefined,
  ): Pick<Member, "entry" | "since"> | undefined {
    const { serviceId } = service;
    if (isOwn(service)) return { entry: serviceId };
    if (lease !== undefined) return { entry: lease.leaseId, since: lease.createTime };
    return former ?? (begun.includes(serviceId) ? { entry: serviceId } : undefined);
  }

  /** The one that made it a member, as long as that stands. */
  function leaseOn(serviceId: string, former: Member | undefined): Lease | undefined {
    const known = former && leases.get(former.entry);
    if (known !== undefined) return known;
    const held = [...leases.values()].filter((lease) => lease.serviceId === serviceId);
    return held.sort((a, b) => (a.leaseId < b.leaseId ? -1 : 1))[0];
  }

  async function stateOf(
    service: Service,
    lease: Lease | undefined,
    former: Member | undefined,
  ): Promise<Member["state"]> {
    if (isOver(service.state)) return "over";
    // Who leased it last brought its end about, and hears its last words.
    if (service.state === "STOPPING") return former?.state === "left" ? "left" : "open";
    if (group.kind === "workspace" && isOwn(service)) {
      return workspaceState === undefined || workspaceState === "ARCHIVED" ? "left" : "open";
    }
    if (lease !== undefined) return "open";
    const own = group.kind === "run" ? group.runId : "";
    if (service.leaseRunIds.some((runId) => runId !== own)) return "left";
    return (await stopsWithLastLease(store, service)) ? "open" : "left";
  }

  function put(member: Member): readonly Member[] {
    const former = members.get(member.key);
    if (former !== undefined && former.state === member.state && former.entry === member.entry) {
      return [];
    }
    members.set(member.key, member);
    return [member];
  }
}
