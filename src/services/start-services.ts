import { type BroughtUp, bringUp } from "./bring-up.ts";
import { configuredSpecs } from "./configured-specs.ts";
import { beginControl, ensured, finishControl } from "./control-operation.ts";
import type { ServicesCore } from "./core.ts";
import { declareIntent, writeDesired } from "./desired-state.ts";
import { failedServices } from "./failure.ts";
import type { Claimant } from "./join-or-start.ts";
import { makePlans } from "./make-plans.ts";
import { placeOf, type ServiceHome } from "./service-place.ts";
import type { ControlResult, StartRequest } from "./services.ts";
import { controlledHome } from "./targets.ts";

/** Starts by a person or the orchestrator: what runs already is joined, nothing is leased. */
export async function startServices(
  core: ServicesCore,
  request: StartRequest,
): Promise<ControlResult> {
  const home = await controlledHome(core, request.target);
  const { requestId } = request;
  const key = { companyId: home.companyId, method: "StartServices", requestId } as const;
  return core.answeredOnce.run(key, () => start(core, home, request));
}

async function start(
  core: ServicesCore,
  home: ServiceHome,
  request: StartRequest,
): Promise<ControlResult> {
  const workspace = placeOf(home);
  const { specs, field } =
    request.services.length > 0
      ? { specs: request.services, field: "services" }
      : await configuredSpecs(core.store, home, request.serviceNames);
  const { adapterEnv } = request;
  const plans = await makePlans(core, { workspace, specs, field, runId: "", adapterEnv });
  const names = plans.map(({ name }) => name);
  const intent = declareIntent(core, home, request);
  const operation = await beginControl(core, workspace, "start", names, request.actor);
  const outcomes = await bringUp(core, plans, CONTROL, request).catch(async (error) => {
    await operation.finish({ status: "FAILED", message: (error as Error).message });
    throw error;
  });
  const failures = outcomes.flatMap(({ failure }) => (failure === undefined ? [] : [failure]));
  const services = await Promise.all(
    outcomes.flatMap(({ life, reused, failure }) =>
      life === undefined || failure !== undefined
        ? []
        : [ensured(core, life.row(), reused === true)],
    ),
  );
  const write = () => writeDesired(core, home, request, intent, "RUNNING");
  if (request.noWait) void onceStarted(core, outcomes, write);
  else if (failures.length === 0) await write();
  const finished = await finishControl(operation, services, failures);
  if (services.length === 0 && failures.length > 0) throw failedServices(failures);
  return { services, stopped: [], failures, operation: finished };
}

/** A caller that did not wait is not here any more when it is known whether all came up. */
async function onceStarted(
  core: ServicesCore,
  outcomes: readonly BroughtUp[],
  write: () => Promise<void>,
): Promise<void> {
  try {
    const started = await Promise.all(outcomes.map(({ life }) => life?.started()));
    if (started.every((outcome) => outcome?.ok)) await write();
  } catch (err) {
    core.log.warn({ err }, "desired state not written");
  }
}

const CONTROL: Claimant = {
  runId: "",
  workspaceId: "",
  leaseTtlMs: 0,
  released: undefined,
  write: (work) => work(),
};
