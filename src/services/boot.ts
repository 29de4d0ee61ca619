import { setImmediate as soon } from "node:timers/promises";
import { isRuntimeError, type ServiceFailure } from "../errors.ts";
import type { ServiceSpec } from "../model/service-spec.ts";
import type { DesiredState, WorkspaceState } from "../model/workspace.ts";
import { bringUp } from "./bring-up.ts";
import { configuredSpecs } from "./configured-specs.ts";
import type { ServicesCore } from "./core.ts";
import { withDependencies } from "./dependencies.ts";
import { desiredOf, reread } from "./desired-state.ts";
import { failureOf } from "./failure.ts";
import { type Claimant, isLiving } from "./join-or-start.ts";
import { makePlans } from "./make-plans.ts";
import type { ServicePlan } from "./plan.ts";
import { nameOf } from "./service-name.ts";
import { isWorkspace, placeOf, type ServiceHome } from "./service-place.ts";

/** What is started since its desired state is RUNNING, as it stands now. */
export interface Boot {
  readonly restarted: number;
  readonly failed: number;
  readonly failures: readonly ServiceFailure[];
  /** All was tried, or the waiting was ended. Never rejects. */
  readonly done: Promise<void>;
  /** Nothing more is begun or waited for; what was begun goes on. Resolves with `done`. */
  close(): Promise<void>;
}

/** So many project workspaces and workspaces at a time: an agent's call must not stand behind all of them. */
const AT_ONCE = 4;

const STARTED_IN: readonly WorkspaceState[] = ["ACTIVE", "IDLE", "IN_REVIEW", "CLEANUP_FAILED"];

/**
 * Starts, in the background, what is configured and wanted RUNNING and does not live. One that fails is told in
 * `failures` and keeps nothing else from starting.
 */
export function bootServices(core: ServicesCore): Boot {
  const closing = new AbortController();
  const claimant: Claimant = {
    runId: "",
    workspaceId: "",
    leaseTtlMs: 0,
    released: closing.signal,
    write: (work) => work(),
  };
  const failures: ServiceFailure[] = [];
  let restarted = 0;
  // The ready line first.
  const done = soon()
    .then(startAll)
    .catch((err) => {
      if (!closing.signal.aborted)
        core.log.error({ err }, "not all wanted services were looked at");
    });
  return {
    get restarted() {
      return restarted;
    },
    get failed() {
      return failures.length;
    },
    failures,
    done,
    close() {
      closing.abort();
      return done;
    },
  };

  async function startAll(): Promise<void> {
    const homes = await homesOf(core);
    const next = homes.values();
    const worker = async () => {
      for (const home of next) await startWanted(home);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    if (restarted + failures.length > 0) {
      core.log.info({ restarted, failed: failures.length }, "desired services started");
    }
  }

  async function startWanted(listed: ServiceHome): Promise<void> {
    closing.signal.throwIfAborted();
    let home: ServiceHome = listed;
    try {
      // A person may have stopped it since the list was read.
      home = (await reread(core.store, listed)) ?? listed;
      if (!isStarted(home)) return;
      const plans = await plansOf(home);
      // What lives is kept as it is; what is not to run is not started for those that depend on it either.
      const joinOnly = new Set(
        plans.filter(
          (plan) => isLiving(core, plan) || NOT_AT_BOOT.includes(desiredOf(home, plan.name)),
        ),
      );
      const outcomes = await bringUp(core, plans, claimant, { noWait: false, joinOnly });
      for (const { life, reused, failure } of outcomes) {
        if (failure !== undefined) fail(failure);
        else if (life !== undefined && reused === false) restarted += 1;
      }
    } catch (error) {
      closing.signal.throwIfAborted();
      fail(unexpected(homeName(home), error));
    }
  }

  /** Of each that can be planned, and of what they depend on; the others are failures. */
  async function plansOf(home: ServiceHome): Promise<readonly ServicePlan[]> {
    const { specs, field } = await configuredSpecs(core.store, home, []);
    const names = specs.map(nameOf).filter((name) => desiredOf(home, name) === "RUNNING");
    const wanted = withDependencies(specs, names);
    const plan = (some: readonly ServiceSpec[]) =>
      makePlans(core, { workspace: placeOf(home), specs: some, field, runId: "", adapterEnv: {} });
    try {
      return await plan(wanted);
    } catch {
      const alone = wanted.map(nameOf).map(async (name) => {
        try {
          const plans = await plan(withDependencies(specs, [name]));
          return plans.filter((one) => one.name === name);
        } catch (error) {
          fail(unexpected(name, error));
          return [];
        }
      });
      return (await Promise.all(alone)).flat();
    }
  }

  function fail(failure: ServiceFailure): void {
    failures.push(failure);
    core.log.warn({ ...failure }, "a wanted service did not come up");
  }
}

const NOT_AT_BOOT: readonly (DesiredState | undefined)[] = ["STOPPED", "MANUAL"];

/** Of this node, and those of no node: project workspaces. */
async function homesOf({ store, settings }: ServicesCore): Promise<readonly ServiceHome[]> {
  const projects = await store.projectWorkspaces.listAll("");
  const workspaces = await store.workspaces.listLive("");
  const own = workspaces.filter(({ nodeId }) => nodeId === settings.nodeId);
  return [...projects, ...own].filter(isStarted);
}

function isStarted(home: ServiceHome): boolean {
  if (isWorkspace(home) && !STARTED_IN.includes(home.state)) return false;
  return home.desiredState === "RUNNING" || Object.values(home.serviceStates).includes("RUNNING");
}

function homeName(home: ServiceHome): string {
  return isWorkspace(home) ? home.workspaceId : home.projectWorkspaceId;
}

/** What was thrown, as a failure of one service or, where even that is not known, of its whole home. */
function unexpected(serviceName: string, error: unknown): ServiceFailure {
  const reason = isRuntimeError(error) ? error.reason : "INTERNAL";
  const message = isRuntimeError(error) ? `: ${error.message}` : " for an internal error";
  return failureOf({ serviceName, serviceId: "" }, reason, `was not started${message}`);
}
