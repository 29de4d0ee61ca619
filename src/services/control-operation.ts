import type { ServiceFailure } from "../errors.ts";
import type { Operation } from "../model/operation.ts";
import type { Service } from "../model/service.ts";
import type { DesiredState, Workspace } from "../model/workspace.ts";
import type { OngoingOperation } from "../operations/operations.ts";
import type { ServicesCore } from "./core.ts";
import type { EnsuredService, StartRequest } from "./services.ts";

/** A call for the whole target says what is wanted of it; one for names, only of these. */
export async function setDesired(
  core: ServicesCore,
  workspace: Workspace,
  request: { readonly serviceNames: readonly string[]; readonly services?: readonly unknown[] },
  wanted: DesiredState,
): Promise<void> {
  if ((request.services ?? []).length > 0) return;
  if (request.serviceNames.length === 0) {
    await core.store.workspaces.update(workspace.workspaceId, { desiredState: wanted });
    return;
  }
  await core.store.transaction(async (tx) => {
    const { serviceStates } = (await tx.workspaces.get(workspace.workspaceId)) ?? workspace;
    const named = Object.fromEntries(request.serviceNames.map((name) => [name, wanted]));
    await tx.workspaces.update(workspace.workspaceId, {
      serviceStates: { ...serviceStates, ...named },
    });
  });
}

/** A control call is one operation, from before its first effect. */
export function beginControl(
  core: ServicesCore,
  subject: Workspace | Service | undefined,
  action: "start" | "stop" | "restart",
  serviceNames: readonly string[],
  actor: StartRequest["actor"],
): Promise<OngoingOperation> {
  return core.operations.begin({
    phase: "SERVICE_CONTROL",
    command: `workspace runtime ${action}`,
    message: "",
    cwd: subject?.cwd ?? "",
    companyId: subject?.companyId ?? "",
    workspaceId: subject?.workspaceId ?? "",
    projectWorkspaceId: subject?.projectWorkspaceId ?? "",
    metadata: { action, serviceNames: [...serviceNames], serviceCount: serviceNames.length },
    ...(actor === undefined ? {} : { actor }),
  });
}

export function finishControl(
  operation: OngoingOperation,
  services: readonly EnsuredService[],
  failures: readonly ServiceFailure[],
): Promise<Operation> {
  return operation.finish({
    status: failures.length > 0 ? "FAILED" : "SUCCEEDED",
    message: failures.map(({ message }) => message).join("; "),
    serviceIds: services.map(({ service }) => service.serviceId),
  });
}

/** As the store has it now. */
export async function ensured(
  core: ServicesCore,
  service: Service,
  reused: boolean,
): Promise<EnsuredService> {
  return { service: (await core.store.services.get(service.serviceId)) ?? service, reused };
}
