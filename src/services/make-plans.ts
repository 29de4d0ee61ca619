import type { ServiceSpec } from "../model/service-spec.ts";
import type { AgentRef, IssueRef } from "../model/workspace.ts";
import type { ServicesCore } from "./core.ts";
import { planService, type ServicePlan } from "./plan.ts";
import { checkProbeTargets } from "./readiness/probe-target.ts";
import type { ServicePlace } from "./service-place.ts";
import { validateSpecs } from "./validate-spec.ts";

export interface PlanRequest {
  readonly workspace: ServicePlace;
  readonly specs: readonly ServiceSpec[];
  /** The proto path of the specs, for what is wrong in one. */
  readonly field: string;
  /** "" for control. */
  readonly runId: string;
  /** Absent: the workspace's. */
  readonly agent?: AgentRef | undefined;
  readonly issue?: IssueRef | undefined;
  readonly adapterEnv: Readonly<Record<string, string>>;
}

/**
 * All specs of a call, checked and rendered before anything is done about one of them.
 * @throws RuntimeError INVALID_FIELD, INVALID_TEMPLATE, PATH_NOT_ALLOWED
 */
export async function makePlans(
  core: ServicesCore,
  request: PlanRequest,
): Promise<readonly ServicePlan[]> {
  const { workspace, specs, field } = request;
  validateSpecs(specs, field);
  const agent = request.agent ?? workspace.agent;
  const issue = request.issue ?? workspace.issue;
  const context = {
    workspace,
    runId: request.runId,
    adapterEnv: request.adapterEnv,
    defaultStopPolicy: core.settings.defaultStopPolicy,
    identityKey: core.settings.identityKey,
    ...(agent === undefined ? {} : { agent }),
    ...(issue === undefined ? {} : { issue }),
  };
  const plans = specs.map((spec, index) => planService(spec, context, `${field}[${index}]`));
  for (const [index, plan] of plans.entries()) {
    checkProbeTargets(plan, `${field}[${index}]`, core.probeHosts);
  }
  // Where one of its identity, directory included, lives already, nothing will be started.
  const toBeStarted = plans.filter(
    ({ identity }) => core.registry.ofIdentity(identity.base).length === 0,
  );
  await Promise.all(toBeStarted.map(({ cwd }) => core.allowedRoots.resolve(cwd)));
  return plans;
}
