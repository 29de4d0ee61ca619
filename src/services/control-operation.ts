import type { ServiceFailure } from "../errors.ts";
import type { Operation } from "../model/operation.ts";
import type { Service } from "../model/service.ts";
import type { OngoingOperation } from "../operations/operations.ts";
import type { ServicesCore } from "./core.ts";
import type { ServicePlace } from "./service-place.ts";
import type { EnsuredService, StartRequest } from "./services.ts";

/** A control call is one operation, from before its first effect. */
export function beginControl(
  core: ServicesCore,
  subject: ServicePlace | Service | undefined,
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
