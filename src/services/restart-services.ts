import type { ServiceFailure } from "../errors.ts";
import type { Service, StopReceipt } from "../model/service.ts";
import { beginControl, ensured, finishControl } from "./control-operation.ts";
import type { ServicesCore } from "./core.ts";
import { failedServices, failureOf } from "./failure.ts";
import { placeOf } from "./service-place.ts";
import type { ControlResult, RestartRequest } from "./services.ts";
import { isOver } from "./state.ts";
import { leasedFailure, unprovenFailure } from "./stop-services.ts";
import { targetServices } from "./targets.ts";

/**
 * The next instance of each service, under the same id: leases, ports and log are kept. One that runs
 * lease is left alone unless forced; one that does not run is a failure: Start makes a new one.
 */
export async function restartServices(
  core: ServicesCore,
  request: RestartRequest,
): Promise<ControlResult> {
  const { home, services: chosen } = await targetServices(core, request);
  const subject = home === undefined ? chosen[0] : placeOf(home);
  const key = {
    companyId: subject?.companyId ?? "",
    method: "RestartServices",
    requestId: request.requestId,
  } as const;
  return core.answeredOnce.run(key, async () => {
    const names = chosen.map(({ serviceName }) => serviceName);
    const operation = await beginControl(core, subject, "restart", names, request.actor);
    const outcomes = await Promise.all(chosen.map((service) => restartOne(core, service, request)));
    const failures = outcomes.flatMap(({ failure }) => (failure === undefined ? [] : [failure]));
    const services = await Promise.all(
      outcomes
        .filter(({ failure }) => failure === undefined)
        .map(({ service }) => ensured(core, service, false)),
    );
    const finished = await finishControl(operation, services, failures);
    if (services.length === 0 && failures.length > 0) throw failedServices(failures);
    const stopped = outcomes.flatMap(({ receipt }) => (receipt === undefined ? [] : [receipt]));
    return { services, stopped, failures, operation: finished };
  });
}

interface RestartOutcome {
  readonly service: Service;
  readonly receipt?: StopReceipt;
  readonly failure?: ServiceFailure;
}

async function restartOne(
  core: ServicesCore,
  service: Service,
  request: RestartRequest,
): Promise<RestartOutcome> {
  const life = core.registry.get(service.serviceId);
  const receipt = await life?.restart({
    ...(request.graceMs === undefined ? {} : { graceMs: request.graceMs }),
    ...(request.force ? {} : { condition: { kind: "unleased" as const } }),
  });
  if (life === undefined || (receipt === undefined && isOver(life.row().state))) {
    return { service, failure: failureOf(service, "SERVICE_STOPPED", "does not run: start it") };
  }
  if (receipt === undefined) return { service, failure: await leasedFailure(core, service) };
  if (receipt.survivors.length > 0) {
    return { service, receipt, failure: unprovenFailure(service, receipt) };
  }
  if (request.noWait) return { service, receipt };
  const outcome = await life.started();
  return outcome.ok ? { service, receipt } : { service, receipt, failure: outcome.failure };
}
