import { leaseWorkspace } from "../leases/leases.ts";
import type { RunCall } from "../leases/run-calls.ts";
import type { ServiceSpec } from "../model/service-spec.ts";
import type { Workspace } from "../model/workspace.ts";
import { workspaceVariables } from "../workspaces/command-env.ts";
import { type BroughtUp, bringUp } from "./bring-up.ts";
import { checkEnsure } from "./check-ensure.ts";
import { configuredSpecs } from "./configured-specs.ts";
import type { ServicesCore } from "./core.ts";
import { desiredOfConfigured } from "./desired-state.ts";
import { failedServices } from "./failure.ts";
import type { Claimant } from "./join-or-start.ts";
import { makePlans } from "./make-plans.ts";
import type { ServicePlan } from "./plan.ts";
import { readyComment } from "./ready-comment.ts";
import { applyStopPolicy } from "./release.ts";
import { runEnvironment } from "./run-environment.ts";
import type { EnsureRequest, EnsureResult } from "./services.ts";
import { usableWorkspace } from "./workspace-of.ts";

/** A run's services: joined or started in parallel, leased, waited for. */
export async function ensure(core: ServicesCore, request: EnsureRequest): Promise<EnsureResult> {
  // Before anything is waited for: a release that comes from here on ends this call.
  const call = core.runs.enter(request.runId);
  try {
    return await ensureIn(core, request, call);
  } finally {
    call.leave();
  }
}

async function ensureIn(
  core: ServicesCore,
  request: EnsureRequest,
  call: RunCall,
): Promise<EnsureResult> {
  checkEnsure(request);
  const again = await core.ensuredAgain.find(core, request);
  call.released.throwIfAborted();
  if (again !== undefined) return again;
  const revision = await core.store.changes.revision();
  const workspace = await usableWorkspace(core.store, request.workspaceId);
  const { specs, field } = await askedSpecs(core, request, workspace);
  const { runId, agent, issue, adapterEnv } = request;
  const plans = await makePlans(core, { workspace, specs, field, runId, agent, issue, adapterEnv });

  const claimant = claimantOf(core, request, call);
  await leaseFor(core, workspace, claimant);
  await giveUpFormer(core, plans, request);
  const outcomes = await bringUpWanted(core, workspace, plans, claimant, request);
  call.released.throwIfAborted();
  const result = await answer(core, request, workspace, outcomes);
  await core.ensuredAgain.keep(core, request, result, revision);
  return result;
}

/** Configured services that are MANUAL are joined where they run; all others are started, too. */
async function bringUpWanted(
  core: ServicesCore,
  workspace: Workspace,
  plans: readonly ServicePlan[],
  claimant: Claimant,
  request: EnsureRequest,
): Promise<readonly BroughtUp[]> {
  const manual = new Set<ServicePlan>();
  for (const plan of request.fromConfig ? plans : []) {
    const desired = await desiredOfConfigured(core.store, workspace, plan.name);
    if (desired === "MANUAL") manual.add(plan);
  }
  return bringUp(core, plans, claimant, { noWait: request.noWait, joinOnly: manual });
}

async function answer(
  core: ServicesCore,
  request: EnsureRequest,
  workspace: Workspace,
  outcomes: readonly BroughtUp[],
): Promise<EnsureResult> {
  const failed = outcomes.flatMap(({ failure, plan }) =>
    failure === undefined ? [] : [{ failure, allowed: plan.spec.allowFailure === true }],
  );
  if (failed.some(({ allowed }) => !allowed)) {
    await undo(core, request, outcomes);
    throw failedServices(failed.map(({ failure }) => failure));
  }
  const services = await Promise.all(
    outcomes.flatMap(({ life, reused, failure }) =>
      life === undefined || failure !== undefined
        ? []
        : [
            core.store.services
              .get(life.serviceId)
              .then((row) => ({ service: row ?? life.row(), reused: reused === true })),
          ],
    ),
  );
  const prefix = core.settings.envPrefix;
  return {
    services,
    failures: failed.map(({ failure }) => failure),
    readyComment: readyComment(workspace, services),
    runEnv: runEnvironment(
      prefix,
      workspaceVariables(prefix, workspace, workspace.directoryCreated),
      workspace,
      services,
    ),
  };
}

/** What this call started and nobody else leases goes again, whatever its policy; its leases end. */
async function undo(
  core: ServicesCore,
  request: EnsureRequest,
  outcomes: readonly BroughtUp[],
): Promise<void> {
  const { runId } = request;
  const begun = outcomes.flatMap(({ life, reused }) => (life && reused !== true ? [life] : []));
  await Promise.all(
    begun.map((life) =>
      life.stop("STOP_REQUESTED", { condition: { kind: "unleased-by-others", runId } }),
    ),
  );
  for (const lease of await core.store.leases.listByRun(runId)) {
    if (begun.some(({ serviceId }) => serviceId === lease.serviceId)) {
      await core.store.leases.delete(lease.leaseId);
    }
  }
}

/** A run that asks for a name as something else gives up what it held under that name. */
async function giveUpFormer(
  core: ServicesCore,
  plans: readonly ServicePlan[],
  request: EnsureRequest,
): Promise<void> {
  for (const lease of await core.store.leases.listByRun(request.runId)) {
    const life = core.registry.get(lease.serviceId);
    const held = life?.row();
    if (life === undefined || held === undefined || held.workspaceId !== request.workspaceId)
      continue;
    const plan = plans.find(({ name }) => name === held.serviceName);
    if (plan === undefined || plan.identity.base === life.identity.base) continue;
    await core.store.leases.delete(lease.leaseId);
    await applyStopPolicy(core, held);
  }
}

async function askedSpecs(
  core: ServicesCore,
  request: EnsureRequest,
  workspace: Workspace,
): Promise<{ specs: readonly ServiceSpec[]; field: string }> {
  if (!request.fromConfig) return { specs: request.services, field: "services" };
  return configuredSpecs(core.store, workspace, request.serviceNames);
}

function claimantOf(core: ServicesCore, request: EnsureRequest, call: RunCall): Claimant {
  return {
    runId: request.runId,
    workspaceId: request.workspaceId,
    leaseTtlMs: request.leaseTtlMs ?? core.settings.defaultLeaseTtlMs,
    released: call.released,
    write: (work) => call.write(work),
  };
}

async function leaseFor(
  core: ServicesCore,
  workspace: Workspace,
  claimant: Claimant,
): Promise<void> {
  const claim = {
    companyId: workspace.companyId,
    workspaceId: workspace.workspaceId,
    serviceId: "",
    runId: claimant.runId,
    mode: "SHARED" as const,
    ttlMs: claimant.leaseTtlMs,
  };
  await claimant.write(
    async () =>
      (await core.store.leases.standing(claim)) ??
      core.store.transaction((tx) => leaseWorkspace(tx, claim)),
  );
}
