import type { Change, Subject } from "../../src/model/change.ts";
import type { Lease } from "../../src/model/lease.ts";

export function newLease(over: Partial<Lease> = {}): Lease {
  return {
    leaseId: "l1",
    companyId: "c1",
    runId: "r1",
    workspaceId: "w1",
    serviceId: "",
    mode: "SHARED",
    ttlMs: 0,
    fencingToken: 1,
    createTime: 1,
    renewTime: 1,
    revision: 1,
    ...over,
  };
}

export function upserted(revision: number, over: Partial<Lease> = {}, previous?: Subject): Change {
  const resource = newLease({ revision, ...over });
  const before = previous === undefined ? {} : { previous };
  return { kind: "LEASE", type: "UPSERTED", revision, resource, ...before };
}

export function deleted(revision: number, over: Partial<Lease> = {}): Change {
  const resource = newLease(over);
  return {
    kind: "LEASE",
    type: "DELETED",
    revision,
    resource,
    previous: subjectOfLease(resource),
  };
}

export function subjectOfLease(over: Partial<Lease> = {}): Subject {
  const { companyId, workspaceId, runId } = newLease(over);
  return { companyId, projectWorkspaceId: "", workspaceId, serviceIds: [], runIds: [runId] };
}
