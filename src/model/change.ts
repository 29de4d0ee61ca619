import type { Lease } from "./lease.ts";
import type { Operation } from "./operation.ts";
import type { ProjectWorkspace } from "./project-workspace.ts";
import type { Service } from "./service.ts";
import type { Workspace } from "./workspace.ts";

/** The whole resource after (UPSERTED) or before (DELETED) a change; one revision counter for all. */
export type Change = {
  readonly revision: number;
  readonly type: "UPSERTED" | "DELETED";
} & Resource;

export type Resource =
  | { readonly kind: "PROJECT_WORKSPACE"; readonly resource: ProjectWorkspace }
  | { readonly kind: "WORKSPACE"; readonly resource: Workspace }
  | { readonly kind: "SERVICE"; readonly resource: Service }
  | { readonly kind: "OPERATION"; readonly resource: Operation }
  | { readonly kind: "LEASE"; readonly resource: Lease };

export type ResourceKind = Resource["kind"];
