import { RuntimeError } from "../errors.ts";
import type { ProjectWorkspace } from "../model/project-workspace.ts";
import type { ServiceState } from "../model/service.ts";
import type { WorkspaceState } from "../model/workspace.ts";
import type { StoreQueries } from "../store/store.ts";

/** Throws PROJECT_WORKSPACE_IN_USE, naming the newest user, while its company has a live one. */
export async function refuseUsed(
  tx: Pick<StoreQueries, "workspaces" | "services">,
  { projectWorkspaceId, companyId }: ProjectWorkspace,
): Promise<void> {
  const ofProject = { companyId, projectId: "", projectWorkspaceIds: [projectWorkspaceId] };
  const one = { pageSize: 1, pageToken: "" };
  const workspaces = await tx.workspaces.list(
    { ...ofProject, issueIds: [], labels: {}, states: LIVE_WORKSPACES },
    one,
  );
  const workspaceId = workspaces.items[0]?.workspaceId;
  if (workspaceId !== undefined) {
    throw inUse(projectWorkspaceId, `workspace "${workspaceId}" is`, { workspace_id: workspaceId });
  }
  const services = await tx.services.list(
    {
      ...ofProject,
      workspaceIds: [],
      issueIds: [],
      runIds: [],
      serviceNames: [],
      scopeTypes: [],
      providers: [],
      states: LIVE_SERVICES,
      current: false,
    },
    one,
  );
  const serviceId = services.items[0]?.serviceId;
  if (serviceId !== undefined) {
    throw inUse(projectWorkspaceId, `service "${serviceId}" is`, { service_id: serviceId });
  }
}

const LIVE_WORKSPACES: readonly WorkspaceState[] = [
  "PROVISIONING",
  "ACTIVE",
  "IDLE",
  "IN_REVIEW",
  "CLEANUP_FAILED",
  "FAILED",
];
const LIVE_SERVICES: readonly ServiceState[] = ["STARTING", "RUNNING", "STOPPING", "BACKOFF"];

function inUse(
  projectWorkspaceId: string,
  who: string,
  user: Readonly<Record<string, string>>,
): RuntimeError {
  const message = `project workspace "${projectWorkspaceId}" is in use: ${who} still its own`;
  return new RuntimeError("PROJECT_WORKSPACE_IN_USE", message, {
    metadata: { project_workspace_id: projectWorkspaceId, ...user },
  });
}
