import { RuntimeError, type ServiceFailure } from "../errors.ts";
import type { Operation } from "../model/operation.ts";
import type { Service, StopReceipt } from "../model/service.ts";
import type { DesiredState, Workspace } from "../model/workspace.ts";
import type { OngoingOperation } from "../operations/operations.ts";
import { isInside } from "../workspaces/allowed-roots.ts";
import { configuredSpecs } from "./configured-specs.ts";
import type { ServicesCore } from "./core.ts";
import { failedServices, failureOf } from "./failure.ts";
import { type Claimant, joinOrStart } from "./join-or-start.ts";
import { makePlans } from "./make-plans.ts";
import type { ControlResult, EnsuredService, StartRequest, StopRequest } from "./services.ts";
import { isOver } from "./state.ts";
import { usableWorkspace } from "./workspace-of.ts";

/** Starts by a person or the orchestrator: what runs already is joined, nothing is leased. */
export async function startServices(
  core: ServicesCore,
  request: StartRequest,
): Promise<ControlResult> {
  const workspace = await workspaceOf(core, request.target);
  const { requestId } = request;
  const key = { companyId: workspace.companyId, method: "StartServices", requestId } as const;
  return core.answeredOnce.run(key, () => start(core, workspace, request));
}

async function start(
  core: ServicesCore,
  workspace: Workspace,
  request: StartRequest,
): Promise<ControlResult> {
  const { specs, field } =
    request.services.length > 0
      ? { specs: request.services, field: "services" }
      : configuredSpecs(workspace, request.serviceNames);
  const { adapterEnv } = request;
  const plans = await makePlans(core, { workspace, specs, field, runId: "", adapterEnv });
  const names = plans.map(({ name }) => name);
  const operation = await begin(core, workspace, "start", names, request.actor);
  const outcomes = await Promise.all(
    plans.map(async (plan) => {
      const joined = await joinOrStart(core, plan, CONTROL);
      if (request.noWait) return { ...joined, failure: undefined };
      const outcome = await joined.life.started();
      return { ...joined, failure: outcome.ok ? undefined : outcome.failure };
    }),
  ).catch(async (error) => {
    await operation.finish({ status: "FAILED", message: (error as Error).message });
    throw error;
  });
  const failures = outcomes.flatMap(({ failure }) => (failure === undefined ? [] : [failure]));
  const services = await Promise.all(
    outcomes
      .filter(({ failure }) => failure === undefined)
      .map(({ life, reused }) => ensured(core, life.row(), reused)),
  );
  if (failures.length === 0) await setDesired(core, workspace, request, "RUNNING");
  const finished = await finish(operation, services, failures);
  if (services.length === 0 && failures.length > 0) throw failedServices(failures);
  return { services, stopped: [], failures, operation: finished };
}

/**
 * Stops with proof. A service that runs lease is left alone unless forced; only a call that could
 * stop nothing at all is an error.
 */
export async function stopServices(
  core: ServicesCore,
  request: StopRequest,
): Promise<ControlResult> {
  const { workspace, services: found } = await targets(core, request);
  const chosen = found.filter(
    ({ serviceName }) =>
      request.serviceNames.length === 0 || request.serviceNames.includes(serviceName),
  );
  const names = chosen.map(({ serviceName }) => serviceName);
  const operation = await begin(core, workspace ?? chosen[0], "stop", names, request.actor);
  if (workspace !== undefined) await setDesired(core, workspace, request, "STOPPED");
  const outcomes = await Promise.all(chosen.map((service) => stopOne(core, service, request)));
  const failures = outcomes.flatMap(({ failure }) => (failure === undefined ? [] : [failure]));
  const stopped = outcomes.flatMap(({ receipt }) => (receipt === undefined ? [] : [receipt]));
  const services = await Promise.all(
    outcomes
      .filter(({ failure }) => failure === undefined)
      .map(({ service }) => ensured(core, service, false)),
  );
  const finished = await finish(operation, services, failures);
  if (services.length === 0 && failures.length > 0) throw failedServices(failures);
  return { services, stopped, failures, operation: finished };
}

/** What lives of a workspace's services. */
export function servicesOfWorkspace(core: ServicesCore, workspace: Workspace): readonly Service[] {
  const live = core.registry.all().map((life) => life.row());
  return live.filter((service) => belongsTo(service, workspace));
}

/** For the end of a workspace: stops them all, whoever leases them. */
export async function stopOfWorkspace(
  core: ServicesCore,
  workspace: Workspace,
  reason: StopRequestReason,
): Promise<{ stopped: readonly StopReceipt[]; failures: readonly ServiceFailure[] }> {
  const services = servicesOfWorkspace(core, workspace);
  const outcomes = await Promise.all(
    services.map((service) => stopOne(core, service, { force: true }, reason)),
  );
  return {
    stopped: outcomes.flatMap(({ receipt }) => (receipt === undefined ? [] : [receipt])),
    failures: outcomes.flatMap(({ failure }) => (failure === undefined ? [] : [failure])),
  };
}

export type StopRequestReason = "STOP_REQUESTED" | "WORKSPACE_ARCHIVED";

interface StopOutcome {
  readonly service: Service;
  readonly receipt?: StopReceipt;
  readonly failure?: ServiceFailure;
}

async function stopOne(
  core: ServicesCore,
  service: Service,
  request: Pick<StopRequest, "force" | "graceMs">,
  reason: StopRequestReason = "STOP_REQUESTED",
): Promise<StopOutcome> {
  const life = core.registry.get(service.serviceId);
  if (life === undefined) return { service };
  const receipt = await life.stop(reason, {
    ...(request.graceMs === undefined ? {} : { graceMs: request.graceMs }),
    ...(request.force ? {} : { condition: { kind: "unleased" as const } }),
  });
  if (receipt === undefined) {
    if (isOver(life.row().state)) return { service };
    const row = await core.store.services.get(service.serviceId);
    const holders = row?.leaseRunIds.join(", ") ?? "";
    return {
      service,
      failure: failureOf(
        service,
        "SERVICE_LEASED",
        `is leased by ${holders}: release it, or stop it with force`,
      ),
    };
  }
  if (receipt.survivors.length > 0 || !isOver(life.row().state)) {
    const left = receipt.survivors.map(({ pid, command }) => `${pid} (${command})`).join(", ");
    return {
      service,
      receipt,
      failure: failureOf(
        service,
        "STOP_NOT_PROVEN",
        `could not be proven to be gone; still living: ${left || "unknown"}`,
      ),
    };
  }
  return { service, receipt };
}

async function targets(
  core: ServicesCore,
  request: StopRequest,
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
  const workspace = await workspaceOf(core, target);
  return { workspace, services: servicesOfWorkspace(core, workspace) };
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

async function workspaceOf(
  core: ServicesCore,
  target: Exclude<StopRequest["target"], { kind: "service" }>,
): Promise<Workspace> {
  if (target.kind === "workspace") return usableWorkspace(core.store, target.workspaceId);
  throw new RuntimeError(
    "NOT_IMPLEMENTED",
    "services of a project workspace cannot be controlled yet: name a workspace",
  );
}

const CONTROL: Claimant = {
  runId: "",
  workspaceId: "",
  leaseTtlMs: 0,
  released: undefined,
  write: (work) => work(),
};

/** A call for the whole target says what is wanted of it; one for names, only of these. */
async function setDesired(
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

function begin(
  core: ServicesCore,
  subject: Workspace | Service | undefined,
  action: "start" | "stop",
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

function finish(
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

async function ensured(
  core: ServicesCore,
  service: Service,
  reused: boolean,
): Promise<EnsuredService> {
  return { service: (await core.store.services.get(service.serviceId)) ?? service, reused };
}
