import type { Resource } from "../model/change.ts";
import { createChangeQueries } from "./changes.ts";
import { createLeaseQueries } from "./leases.ts";
import { createOperationQueries } from "./operations.ts";
import { createProjectWorkspaceQueries } from "./project-workspaces.ts";
import { createServiceQueries } from "./services.ts";
import type { RootSession } from "./session.ts";
import { createWorkspaceQueries } from "./workspaces.ts";

/** What a watch begins with, and the revision that it is the state of. */
export interface LiveResources {
  readonly revision: number;
  readonly resources: readonly Resource[];
}

/**
 * Project workspaces, workspaces not ARCHIVED, current services, RUNNING operations and live leases
 * of a company ("" for all), all as of one revision.
 */
export function readLiveResources(root: RootSession, companyId: string): Promise<LiveResources> {
  return root.snapshot(async (session) => {
    const revision = await createChangeQueries(session).revision();
    const resources: Resource[] = [];
    for (const resource of await createProjectWorkspaceQueries(session).listAll(companyId)) {
      resources.push({ kind: "PROJECT_WORKSPACE", resource });
    }
    for (const resource of await createWorkspaceQueries(session).listLive(companyId)) {
      resources.push({ kind: "WORKSPACE", resource });
    }
    const services = createServiceQueries(session);
    for (const resource of await services.listAll({ companyId, current: true })) {
      resources.push({ kind: "SERVICE", resource });
    }
    for (const resource of await createOperationQueries(session).listAllRunning(companyId)) {
      resources.push({ kind: "OPERATION", resource });
    }
    for (const resource of await createLeaseQueries(session).listLive(companyId)) {
      resources.push({ kind: "LEASE", resource });
    }
    return { revision, resources };
  });
}
