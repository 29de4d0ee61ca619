import type { Lease } from "./lease.ts";
import type { Operation } from "./operation.ts";
import type { ProjectWorkspace } from "./project-workspace.ts";
import type { Service } from "./service.ts";
import type { Workspace } from "./workspace.ts";

/** The whole resource after (UPSERTED) or before (DELETED) a change; one revision counter for all. */
export type Change = {
  readonly revision: number;
  readonly type: "UPSERTED" | "DELETED";
  /** What the resource was about just before; absent for a new one. */
  readonly previous?: Subject;
} & Resource;

export type Resource =
  | { readonly kind: "PROJECT_WORKSPACE"; readonly resource: ProjectWorkspace }
  | { readonly kind: "WORKSPACE"; readonly resource: Workspace }
  | { readonly kind: "SERVICE"; readonly resource: Service }
  | { readonly kind: "OPERATION"; readonly resource: Operation }
  | { readonly kind: "LEASE"; readonly resource: Lease };

export type ResourceKind = Resource["kind"];

/** What the filters of a watch look at. A text is "" where the resource has no such thing. */
export interface Subject {
  readonly companyId: string;
  readonly projectWorkspaceId: string;
  readonly workspaceId: string;
  readonly serviceIds: readonly string[];
  /** Leases and operations: of this run. Services: leased or started by these. */
  readonly runIds: readonly string[];
}

export function subjectOf({ kind, resource }: Resource): Subject {
  const { companyId } = resource;
  switch (kind) {
    case "PROJECT_WORKSPACE":
      return {
        companyId,
        projectWorkspaceId: resource.projectWorkspaceId,
        workspaceId: "",
        serviceIds: [],
        runIds: [],
      };
    case "WORKSPACE": {
      const { projectWorkspaceId, workspaceId } = resource;
      return { companyId, projectWorkspaceId, workspaceId, serviceIds: [], runIds: [] };
    }
    case "SERVICE": {
      const { projectWorkspaceId, workspaceId, serviceId, startedByRunId, leaseRunIds } = resource;
      const runIds = startedByRunId === "" ? leaseRunIds : [startedByRunId, ...leaseRunIds];
      return { companyId, projectWorkspaceId, workspaceId, serviceIds: [serviceId], runIds };
    }
    case "OPERATION": {
      const { projectWorkspaceId, workspaceId, serviceIds, actor } = resource;
      const runIds = actor === undefined || actor.runId === "" ? [] : [actor.runId];
      return { companyId, projectWorkspaceId, workspaceId, serviceIds, runIds };
    }
    case "LEASE":
      return {
        companyId,
        projectWorkspaceId: "",
        workspaceId: resource.workspaceId,
        serviceIds: resource.serviceId === "" ? [] : [resource.serviceId],
        runIds: [resource.runId],
      };
  }
}

/** The resource's own id, unique within its kind. */
export function idOf({ kind, resource }: Resource): string {
  switch (kind) {
    case "PROJECT_WORKSPACE":
      return resource.projectWorkspaceId;
    case "WORKSPACE":
      return resource.workspaceId;
    case "SERVICE":
      return resource.serviceId;
    case "OPERATION":
      return resource.operationId;
    case "LEASE":
      return resource.leaseId;
  }
}
