import { isRuntimeError, RuntimeError } from "../errors.ts";
import { untilAbandoned } from "./abandon.ts";
import type { StartOutcome } from "./failure.ts";
import type { Joined } from "./join-or-start.ts";
import type { ServiceLife } from "./life.ts";
import type { ServicePlan } from "./plan.ts";

/**
 * The services of one call by name: each resolves once it is joined or its row stands; with undefined if it does not
 * live and is not this call's to start.
 */
export type Joining = ReadonlyMap<string, Promise<Joined | undefined>>;

/** Which lives wait for which, over all calls. */
export interface DependencyWaits {
  /**
   * Waits until all that a plan depends on is there: ready, or (condition STARTED) with a process.
   * @throws RuntimeError DEPENDENCY_FAILED; the signal's reason when it aborts
   */
  wait(
    plan: ServicePlan,
    waiter: ServiceLife,
    joining: Joining,
    signal: AbortSignal,
  ): Promise<void>;
}

export function createDependencyWaits(): DependencyWaits {
  const awaited = new Map<ServiceLife, Set<ServiceLife>>();

  return {
    async wait(plan, waiter, joining, signal) {
      const waits = plan.spec.dependsOn?.map(async ({ name, condition }) => {
        const outcome = await whenThere(waiter, joining.get(name), condition);
        if (!outcome.ok) throw dependencyFailed(plan, name, outcome.failure.message);
      });
      if (waits === undefined) return;
      awaited.set(waiter, new Set());
      try {
        await untilAbandoned(Promise.all(waits), signal);
      } finally {
        awaited.delete(waiter);
      }
    },
  };

  async function whenThere(
    waiter: ServiceLife,
    joining: Promise<Joined | undefined> | undefined,
    condition: "READY" | "STARTED",
  ): Promise<StartOutcome> {
    const joined = await joining?.catch(toFailure);
    if (joined === undefined) return failed("it does not run, and is not this call's to start");
    if ("ok" in joined) return joined;
    const { life } = joined;
    // Two calls whose specs disagree can make a circle that neither of them has.
    if (reaches(life, waiter)) return failed("waits for this one itself, by another call");
    awaited.get(waiter)?.add(life);
    return condition === "STARTED" ? life.spawned() : life.started();
  }

  function reaches(from: ServiceLife, to: ServiceLife): boolean {
    return from === to || [...(awaited.get(from) ?? [])].some((next) => reaches(next, to));
  }
}

function dependencyFailed(plan: ServicePlan, name: string, why: string): RuntimeError {
  return new RuntimeError(
    "DEPENDENCY_FAILED",
    `${plan.name} was not started: it depends on ${name}, which did not come up: ${why}`,
    { metadata: { service_name: plan.name, dependency: name } },
  );
}

function toFailure(error: unknown): StartOutcome {
  // What is no error of the domain is told to the caller by the service's own join.
  return failed(isRuntimeError(error) ? error.message : "it could not be looked at");
}

function failed(message: string): StartOutcome {
  const failure = { serviceName: "", reason: "DEPENDENCY_FAILED", message } as const;
  return { ok: false, failure };
}
