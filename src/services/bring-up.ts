import { isRuntimeError, type ServiceFailure } from "../errors.ts";
import type { ServicesCore } from "./core.ts";
import { failureOf } from "./failure.ts";
import { type Claimant, type Joined, joinLiving, joinOrStart } from "./join-or-start.ts";
import type { ServicePlan } from "./plan.ts";

/** What became of one service of a call. Without `failure` it is up (or, without waiting, on its way). */
export interface BroughtUp extends Partial<Joined> {
  readonly plan: ServicePlan;
  readonly failure?: ServiceFailure;
}

export interface BringUpOptions {
  readonly noWait: boolean;
  /** Joined where they live, and left out of what is answered where they do not: others start these. */
  readonly joinOnly?: ReadonlySet<ServicePlan>;
}

/**
 * Joins or starts every service of a call, in parallel but for what they depend on, and waits until each is ready or
 * will never be. One that fails keeps only its dependents from coming up: what that means is the caller's to say.
 * @throws RuntimeError RUN_RELEASED when the claimant's run is released meanwhile
 */
export async function bringUp(
  core: ServicesCore,
  plans: readonly ServicePlan[],
  claimant: Claimant,
  { noWait, joinOnly }: BringUpOptions,
): Promise<readonly BroughtUp[]> {
  // All rows are written at once; the wait for a dependency comes between a row and its process.
  const joining: Map<string, Promise<Joined | undefined>> = new Map();
  const outcomes = plans.map((plan) => {
    const joined = joinOnly?.has(plan)
      ? joinLiving(core, plan, claimant)
      : joinOrStart(core, plan, claimant, joining);
    joining.set(plan.name, joined);
    return bringUpOne(plan, joined, claimant, noWait);
  });
  return (await Promise.all(outcomes)).flatMap((outcome) => outcome ?? []);
}

/** Undefined: left out. */
async function bringUpOne(
  plan: ServicePlan,
  joining: Promise<Joined | undefined>,
  claimant: Claimant,
  noWait: boolean,
): Promise<BroughtUp | undefined> {
  let joined: Joined | undefined;
  try {
    joined = await joining;
  } catch (error) {
    claimant.released?.throwIfAborted();
    if (!isRuntimeError(error)) throw error;
    const service = { serviceName: plan.name, serviceId: error.metadata.service_id ?? "" };
    const failure = failureOf(service, error.reason, "");
    return { plan, failure: { ...failure, message: error.message } };
  }
  if (joined === undefined) return undefined;
  if (noWait) return { plan, ...joined };
  const outcome = await untilReleased(joined.life.started(), claimant);
  return outcome.ok ? { plan, ...joined } : { plan, ...joined, failure: outcome.failure };
}

function untilReleased<T>(work: Promise<T>, { released }: Claimant): Promise<T> {
  if (released === undefined) return work;
  return new Promise((resolve, reject) => {
    if (released.aborted) reject(released.reason);
    const stop = () => reject(released.reason);
    released.addEventListener("abort", stop, { once: true });
    work.then(resolve, reject).finally(() => released.removeEventListener("abort", stop));
  });
}
