import { RuntimeError } from "../errors.ts";
import type { Service } from "../model/service.ts";
import type { Workspace } from "../model/workspace.ts";
import { isInside } from "../workspaces/allowed-roots.ts";
import type { ServicesCore } from "./core.ts";
import type { ControlTarget } from "./services.ts";
import { usableWorkspace } from "./workspace-of.ts";

/** The services that a control call is about, of these names (none: all). */
export async function targetServices(
  core: ServicesCore,
  request: { readonly target: ControlTarget; readonly serviceNames: readonly string[] },
): Promise<{ workspace?: Workspace; services: readonly Service[] }> {
  const { target } = request;
  if (target.kind === "service") {
    const service = await core.store.services.get(target.serviceId);
    if (service === undefined) {
      throw new RuntimeError("SERVICE_NOT_FOUND", `there is no service ${target.serviceId}`, {
        metadata: { service_id: target.serviceId },
      });
    }
    return { services: [service] };
  }
  const workspace = await controlledWorkspace(core, target);
  const wanted = request.serviceNames;
  return {
    workspace,
    services: servicesOfWorkspace(core, workspace).filter(
      ({ serviceName }) => wanted.length === 0 || wanted.includes(serviceName),
    ),
  };
}

/**
 * Its own by scope; and, when it has a worktree to itself, what runs in that directory, but never
 * another workspace's own. A project's shared service elsewhere stays.
 */
function belongsTo(service: Service, workspace: Workspace): boolean {
  if (service.companyId !== workspace.companyId) return false;
  if (service.scopeType !== "PROJECT_WORKSPACE")
    return service.workspaceId === workspace.workspaceId;
  return workspace.worktreePath !== "" && isInside(service.cwd, workspace.worktreePath);
}

export async function controlledWorkspace(
  core: ServicesCore,
  target: Exclude<ControlTarget, { kind: "service" }>,
): Promise<Workspace> {
  if (target.kind === "workspace") return usableWorkspace(core.store, target.workspaceId);
  throw new RuntimeError(
    "NOT_IMPLEMENTED",
    "services of a project workspace cannot be controlled yet: name a workspace",
  );
}

/** What lives of a workspace's services. */
export function servicesOfWorkspace(core: ServicesCore, workspace: Workspace): readonly Service[] {
  const live = core.registry.all().map((life) => life.row());
  return live.filter((service) => belongsTo(service, workspace));
}
