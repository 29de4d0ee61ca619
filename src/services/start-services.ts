import type { Workspace } from "../model/workspace.ts";
import { bringUp } from "./bring-up.ts";
import { configuredSpecs } from "./configured-specs.ts";
import { beginControl, ensured, finishControl, setDesired } from "./control-operation.ts";
import type { ServicesCore } from "./core.ts";
import { failedServices } from "./failure.ts";
import type { Claimant } from "./join-or-start.ts";
import { makePlans } from "./make-plans.ts";
import type { ControlResult, StartRequest } from "./services.ts";
import { controlledWorkspace } from "./targets.ts";

/** Starts by a person or the orchestrator: what runs already is joined, nothing is leased. */
export async function startServices(
  core: ServicesCore,
  request: StartRequest,
): Promise<ControlResult> {
  const workspace = await controlledWorkspace(core, request.target);
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
      : await configuredSpecs(core.store, workspace, request.serviceNames);
  const { adapterEnv } = request;
  const plans = await makePlans(core, { workspace, specs, field, runId: "", adapterEnv });
  const names = plans.map(({ name }) => name);
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
  if (failures.length === 0) await setDesired(core, workspace, request, "RUNNING");
  const finished = await finishControl(operation, services, failures);
  if (services.length === 0 && failures.length > 0) throw failedServices(failures);
  return { services, stopped: [], failures, operation: finished };
}

const CONTROL: Claimant = {
  runId: "",
  workspaceId: "",
  leaseTtlMs: 0,
  released: undefined,
  write: (work) => work(),
};
