import type { ServiceFailure } from "../errors.ts";
import type { Service, StopReceipt } from "../model/service.ts";
import type { Workspace } from "../model/workspace.ts";
import { beginControl, ensured, finishControl } from "./control-operation.ts";
import type { ServicesCore } from "./core.ts";
import { declareIntent, writeDesired } from "./desired-state.ts";
import { failedServices, failureOf } from "./failure.ts";
import { placeOf } from "./service-place.ts";
import type { ControlResult, StopRequest } from "./services.ts";
import { isOver } from "./state.ts";
import { servicesOfWorkspace, targetServices } from "./targets.ts";

/**
 * Stops with proof. A service that runs lease is left alone unless forced; only a call that could
 * stop nothing at all is an error.
 */
export async function stopServices(
  core: ServicesCore,
  request: StopRequest,
): Promise<ControlResult> {
  const { home, services: chosen } = await targetServices(core, request);
  const intent = home && declareIntent(core, home, request);
  const names = chosen.map(({ serviceName }) => serviceName);
  const subject = home === undefined ? chosen[0] : placeOf(home);
  const operation = await beginControl(core, subject, "stop", names, request.actor);
  if (home !== undefined) await writeDesired(core, home, request, intent, "STOPPED");
  const outcomes = await Promise.all(chosen.map((service) => stopOne(core, service, request)));
  const failures = outcomes.flatMap(({ failure }) => (failure === undefined ? [] : [failure]));
  const stopped = outcomes.flatMap(({ receipt }) => (receipt === undefined ? [] : [receipt]));
  const services = await Promise.all(
    outcomes
      .filter(({ failure }) => failure === undefined)
      .map(({ service }) => ensured(core, service, false)),
  );
  const finished = await finishControl(operation, services, failures);
  if (services.length === 0 && failures.length > 0) throw failedServices(failures);
  return { services, stopped, failures, operation: finished };
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

/** Who must release it before it may be touched. */
export async function leasedFailure(core: ServicesCore, service: Service): Promise<ServiceFailure> {
  const row = await core.store.services.get(service.serviceId);
  const holders = row?.leaseRunIds.join(", ") ?? "";
  const advice = `is leased by ${holders}: release it, or use force`;
  return failureOf(service, "SERVICE_LEASED", advice);
}

/** What still lives after KILL, if anything. */
export function unprovenFailure(service: Service, receipt: StopReceipt): ServiceFailure {
  const left = receipt.survivors.map(({ pid, command }) => `${pid} (${command})`).join(", ");
  const message = `could not be proven to be gone; still living: ${left || "unknown"}`;
  return failureOf(service, "STOP_NOT_PROVEN", message);
}

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
    return { service, failure: await leasedFailure(core, service) };
  }
  if (receipt.survivors.length > 0 || !isOver(life.row().state)) {
    return { service, receipt, failure: unprovenFailure(service, receipt) };
  }
  return { service, receipt };
}
