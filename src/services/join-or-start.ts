import { v7 as uuidv7 } from "uuid";
import { RuntimeError } from "../errors.ts";
import type { Service } from "../model/service.ts";
import type { ServiceSpec } from "../model/service-spec.ts";
import type { LeaseClaim } from "../store/leases.ts";
import type { StoreQueries } from "../store/store.ts";
import type { Joining } from "./await-dependencies.ts";
import type { ServicesCore } from "./core.ts";
import { mayJoin } from "./identity.ts";
import type { ServiceLife } from "./life.ts";
import type { ServicePlan } from "./plan.ts";
import { isOver } from "./state.ts";
import { disown, endUnowned } from "./unowned-row.ts";
import { isStoreFailure } from "./until-stored.ts";
import { usableWorkspace } from "./workspace-of.ts";

/** Who wants a service. */
export interface Claimant {
  /** "" for control: no lease is taken. */
  readonly runId: string;
  /** Through which it is leased. */
  readonly workspaceId: string;
  readonly leaseTtlMs: number;
  readonly released: AbortSignal | undefined;
  /** Runs a write of leases, unless the run was released. */
  write<T>(work: () => Promise<T>): Promise<T>;
}

export interface Joined {
  readonly life: ServiceLife;
  readonly reused: boolean;
}

/**
 * One live process of an identity, whoever asks: joins it, or starts it, or waits for its end and
 * starts the next. Resolves once the claimant's lease stands; readiness is the life's own. `joining`: what it may
 * depend on.
 */
export async function joinOrStart(
  core: ServicesCore,
  plan: ServicePlan,
  claimant: Claimant,
  joining: Joining,
): Promise<Joined> {
  for (;;) {
    claimant.released?.throwIfAborted();
    const life = findLive(core, plan, claimant);
    if (life === undefined) {
      return { life: await start(core, plan, claimant, joining), reused: false };
    }
    if (life.isEnding()) {
      await ended(life);
    } else if (isReplaced(life, plan)) {
      await life.stop("STOP_REQUESTED");
    } else if (await isFit(life, claimant)) {
      if (await join(core, life, claimant)) return { life, reused: true };
    }
  }
}

/** Joins what lives, as it is: nothing is stopped or started for it. Undefined when there is nothing to join. */
export async function joinLiving(
  core: ServicesCore,
  plan: ServicePlan,
  claimant: Claimant,
): Promise<Joined | undefined> {
  claimant.released?.throwIfAborted();
  const life = findLive(core, plan, claimant);
  if (life === undefined || life.isEnding() || isReplaced(life, plan)) return undefined;
  return (await join(core, life, claimant)) ? { life, reused: true } : undefined;
}

/** There is one that a call of control would join for this plan. */
export function isLiving(core: ServicesCore, plan: ServicePlan): boolean {
  return findLive(core, plan, { runId: "" })?.isEnding() === false;
}

function findLive(
  core: ServicesCore,
  plan: ServicePlan,
  claimant: Pick<Claimant, "runId">,
): ServiceLife | undefined {
  const same = core.registry.ofIdentity(plan.identity.base);
  if (plan.spec.lifecycle === "EPHEMERAL") return same[0];
  const exact = same.find(({ identity }) => identity.adapter === plan.identity.adapter);
  return (
    exact ?? same.find(({ identity }) => mayJoin(plan.identity, identity, claimant.runId === ""))
  );
}

/** An ephemeral service belongs to one run and name: asked for as something else, it gives way. */
function isReplaced(life: ServiceLife, plan: ServicePlan): boolean {
  return plan.spec.lifecycle === "EPHEMERAL" && life.identity.adapter !== plan.identity.adapter;
}

/** An unhealthy one that nobody else needs is stopped, so that the next round starts a new one. */
async function isFit(life: ServiceLife, claimant: Claimant): Promise<boolean> {
  const attempt = await life.check();
  if (attempt.ok) return true;
  const receipt = await life.stop("UNHEALTHY", {
    condition: { kind: "unleased-by-others", runId: claimant.runId },
  });
  return receipt === undefined && !life.isEnding();
}

async function ended(life: ServiceLife): Promise<void> {
  const receipt = await life.stop("STOP_REQUESTED");
  if (receipt !== undefined && receipt.survivors.length > 0) {
    throw new RuntimeError(
      "STOP_NOT_PROVEN",
      `the former ${life.row().serviceName} still lives (pid ${receipt.survivors.map(({ pid }) => pid).join(", ")}): end it, then ask again`,
      { metadata: { service_id: life.serviceId, service_name: life.row().serviceName } },
    );
  }
  await life.over;
}

async function join(core: ServicesCore, life: ServiceLife, claimant: Claimant): Promise<boolean> {
  try {
    await life.inserted;
  } catch {
    return false;
  }
  if (claimant.runId === "") return !life.isEnding();
  const joinable = async ({ services }: StoreQueries) => {
    const row = await services.get(life.serviceId);
    if (row === undefined || life.isEnding() || isOver(row.state)) return undefined;
    return row.state === "STOPPING" && row.stateReason === "STOP_REQUESTED" ? undefined : row;
  };
  return claim(core, claimant, async () => {
    const row = await joinable(core.store);
    if (row === undefined) return false;
    // Whoever would stop it sees the lease that stands, as one that is renewed.
    if ((await core.store.leases.standing(claimOf(row, claimant))) !== undefined) return true;
    return core.store.transaction(async (tx) => {
      const present = await joinable(tx);
      if (present !== undefined) await tx.leases.acquire(claimOf(present, claimant));
      return present !== undefined;
    });
  });
}

async function start(
  core: ServicesCore,
  plan: ServicePlan,
  claimant: Claimant,
  joining: Joining,
): Promise<ServiceLife> {
  const row = newRow(core, plan, claimant);
  const life = core.launcher.create(row);
  const write = () =>
    claim(core, claimant, () =>
      core.store.transaction(async (tx) => {
        const record = await insert(core, tx, row);
        if (claimant.runId !== "") await tx.leases.acquire(claimOf(record, claimant));
        return record;
      }),
    );
  try {
    await core.launcher.launch(life, plan, write, (signal) =>
      core.dependencies.wait(plan, life, joining, signal),
    );
  } catch (error) {
    // It may stand for all that: a connection that is lost takes the answer to a commit with it.
    if (isStoreFailure(error)) void disown(core, row.serviceId).catch(() => {});
    throw error;
  }
  return life;
}

async function insert(core: ServicesCore, tx: StoreQueries, row: Service): Promise<Service> {
  // Who archives it stops what has a row by then; nothing may come after.
  if (row.workspaceId !== "") await usableWorkspace(tx, row.workspaceId);
  let { record, inserted } = await tx.services.insert(row);
  if (!inserted && (await endUnowned(core, tx, record))) {
    ({ record, inserted } = await tx.services.insert(row));
  }
  if (inserted) return record;
  throw new RuntimeError(
    "INTERNAL",
    `a live row of this identity is driven by nobody: ${record.serviceId}`,
  );
}

/** Writes a lease, or what comes with one. */
async function claim<T>(
  { failpoints }: ServicesCore,
  claimant: Claimant,
  write: () => Promise<T>,
): Promise<T> {
  return claimant.write(async () => {
    await failpoints.hit("lease.intended");
    const written = await write();
    await failpoints.hit("lease.acquired");
    return written;
  });
}

function claimOf(row: Service, claimant: Claimant): LeaseClaim {
  return {
    companyId: row.companyId,
    runId: claimant.runId,
    workspaceId: claimant.workspaceId,
    serviceId: row.serviceId,
    mode: "SHARED",
    ttlMs: claimant.leaseTtlMs,
  };
}

/** The store holds the names of a service's variables; values stand in the instance's own 0600 file. */
function withoutValues(spec: ServiceSpec): ServiceSpec {
  if (spec.env === undefined) return spec;
  return { ...spec, env: Object.fromEntries(Object.keys(spec.env).map((name) => [name, ""])) };
}

function newRow(core: ServicesCore, plan: ServicePlan, claimant: Claimant): Service {
  const now = core.clock.now();
  const { workspace } = plan;
  return {
    serviceId: uuidv7(),
    companyId: workspace.companyId,
    projectId: workspace.projectId,
    projectWorkspaceId: workspace.projectWorkspaceId,
    workspaceId: workspace.workspaceId,
    issueId: plan.issueId,
    serviceName: plan.name,
    state: "STARTING",
    health: "UNKNOWN",
    stateMessage: "",
    lifecycle: plan.spec.lifecycle ?? "SHARED",
    scopeType: plan.scope.type,
    scopeId: plan.scope.id,
    reuseKey: plan.identity.reuseKey,
    command: plan.commandText,
    cwd: plan.cwd,
    ports: {},
    url: "",
    provider: "LOCAL_PROCESS",
    providerRef: "",
    ownerAgentId: plan.agentId,
    startedByRunId: claimant.runId,
    leaseRunIds: [],
    stopPolicy: plan.stopPolicy,
    instance: 1,
    restartCount: 0,
    nodeId: core.settings.nodeId,
    lastUsedTime: now,
    createTime: now,
    updateTime: now,
    revision: 0,
    spec: withoutValues(plan.spec),
  };
}
