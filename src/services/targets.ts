import { invalidField, RuntimeError } from "../errors.ts";
import type { ProjectWorkspace } from "../model/project-workspace.ts";
import type { Service } from "../model/service.ts";
import type { Workspace } from "../model/workspace.ts";
import { isInside } from "../workspaces/allowed-roots.ts";
import type { ServicesCore } from "./core.ts";
import { isWorkspace, type ServiceHome } from "./service-place.ts";
import type { ControlTarget } from "./services.ts";
import { usableWorkspace } from "./workspace-of.ts";

/**
 * The services that a control call is about, of these names (none: all). What an adapter runs is never among a
 * home's, and by its id it is refused: only the adapter can end it.
 */
export async function targetServices(
  core: ServicesCore,
  request: { readonly target: ControlTarget; readonly serviceNames: readonly string[] },
): Promise<{ home?: ServiceHome; services: readonly Service[] }> {
  const { target } = request;
  if (target.kind === "service") {
    return { services: [await controllableService(core, target.serviceId)] };
  }
  const home = await controlledHome(core, target);
  const live = isWorkspace(home) ? servicesOfWorkspace(core, home) : servicesOfProject(core, home);
  const wanted = request.serviceNames;
  return {
    home,
    services: live.filter(({ serviceName }) => wanted.length === 0 || wanted.includes(serviceName)),
  };
}

/** @throws RuntimeError WORKSPACE_NOT_FOUND, WORKSPACE_ARCHIVED, PROJECT_WORKSPACE_NOT_FOUND */
export async function controlledHome(
  core: ServicesCore,
  target: Exclude<ControlTarget, { kind: "service" }>,
): Promise<ServiceHome> {
  if (target.kind === "workspace") return usableWorkspace(core.store, target.workspaceId);
  const { projectWorkspaceId } = target;
  const project = await core.store.projectWorkspaces.get(projectWorkspaceId);
  if (project !== undefined) return project;
  throw new RuntimeError(
    "PROJECT_WORKSPACE_NOT_FOUND",
    `there is no project workspace ${projectWorkspaceId}: put it first`,
    { metadata: { project_workspace_id: projectWorkspaceId } },
  );
}

/** What lives of a workspace's services. */
export function servicesOfWorkspace(core: ServicesCore, workspace: Workspace): readonly Service[] {
  return liveServices(core).filter((service) => belongsTo(service, workspace));
}

/** What lives of a project workspace's services, whichever workspace started them. */
function servicesOfProject(core: ServicesCore, project: ProjectWorkspace): readonly Service[] {
  return liveServices(core).filter(
    ({ companyId, scopeType, scopeId }) =>
      companyId === project.companyId &&
      scopeType === "PROJECT_WORKSPACE" &&
      scopeId === project.projectWorkspaceId,
  );
}

/**
 * Its own by scope; and, when it has a worktree to itself, what runs in that directory, but never
 * another workspace's own. A project's shared service elsewhere stays.
 */
function belongsTo(service: Service, workspace: Workspace): boolean {
  if (service.companyId !== workspace.companyId) return false;
  const isSomeWorkspacesOwn =
    service.scopeType !== "PROJECT_WORKSPACE" && service.workspaceId !== "";
  if (isSomeWorkspacesOwn) return service.workspaceId === workspace.workspaceId;
  return workspace.worktreePath !== "" && isInside(service.cwd, workspace.worktreePath);
}

function liveServices(core: ServicesCore): readonly Service[] {
  return core.registry.all().map((life) => life.row());
}

async function controllableService(core: ServicesCore, serviceId: string): Promise<Service> {
  const service = await core.store.services.get(serviceId);
  if (service === undefined) {
    throw new RuntimeError("SERVICE_NOT_FOUND", `there is no service ${serviceId}`, {
      metadata: { service_id: serviceId },
    });
  }
  if (service.provider === "LOCAL_PROCESS") return service;
  throw invalidField(
    "service_id",
    `${service.serviceName} is run by the adapter "${service.adapterType ?? ""}", not by this server: control it there`,
  );
}
