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

/**
 * Joins or starts every service of a call, in parallel, and waits until each is ready or will never be. One that
 * fails does not keep the others from coming up: what that means is the caller's to say.
 * @throws RuntimeError RUN_RELEASED when the claimant's run is released meanwhile
 */
export function bringUp(
  core: ServicesCore,
  plans: readonly ServicePlan[],
  claimant: Claimant,
  options: { readonly noWait: boolean },
): Promise<readonly BroughtUp[]> {
  return Promise.all(plans.map((plan) => bringUpOne(core, plan, claimant, options.noWait)));
}

/**
 * Joins those services of a call that live, and leaves the others out: they are a person's to start.
 * @throws RuntimeError RUN_RELEASED when the claimant's run is released meanwhile
 */
export async function joinOnly(
  core: ServicesCore,
  plans: readonly ServicePlan[],
  claimant: Claimant,
  options: { readonly noWait: boolean },
): Promise<readonly BroughtUp[]> {
  const joined = await Promise.all(
    plans.map(async (plan) => {
      const found = await joinLiving(core, plan, claimant);
      return found === undefined ? [] : [await awaited(plan, found, claimant, options.noWait)];
    }),
  );
  return joined.flat();
}

async function bringUpOne(
  core: ServicesCore,
  plan: ServicePlan,
  claimant: Claimant,
  noWait: boolean,
): Promise<BroughtUp> {
  let joined: Joined;
  try {
    joined = await joinOrStart(core, plan, claimant);
  } catch (error) {
    claimant.released?.throwIfAborted();
    if (!isRuntimeError(error)) throw error;
    const service = { serviceName: plan.name, serviceId: error.metadata.service_id ?? "" };
    const failure = failureOf(service, error.reason, "");
    return { plan, failure: { ...failure, message: error.message } };
  }
  return awaited(plan, joined, claimant, noWait);
}

async function awaited(
  plan: ServicePlan,
  joined: Joined,
  claimant: Claimant,
  noWait: boolean,
): Promise<BroughtUp> {
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
