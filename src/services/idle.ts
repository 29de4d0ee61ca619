import type { Change } from "../model/change.ts";
import type { Service } from "../model/service.ts";
import type { ServicesCore } from "./core.ts";
import { desiredState } from "./desired-state.ts";

const DEFAULT_IDLE_MS = 30 * 60_000;
/** Often enough that a clock that jumped is noticed. */
const LONGEST_WAIT_MS = 60_000;

export interface IdleSweep {
  /** Something may have become idle. */
  wake(): void;
  /** What a commit changed: a service that nobody leases any more, or never did, begins to be idle. */
  notice(changes: readonly Change[]): void;
  close(): void;
}

/**
 * Stops what nobody has leased for as long as its policy allows. When is computed from the rows, so
 * neither a restart of the server nor an adoption loses it.
 */
export function createIdleSweep(core: ServicesCore): IdleSweep {
  const { clock, store } = core;
  let cancel: (() => void) | undefined;
  let sweeping = false;
  let again = false;
  let closed = false;

  return {
    wake: () => void sweep(),
    notice(changes) {
      if (changes.some(mayBeIdle)) void sweep();
    },
    close() {
      closed = true;
      cancel?.();
    },
  };

  async function sweep(): Promise<void> {
    again = sweeping;
    if (sweeping || closed) return;
    sweeping = true;
    let wait: number | undefined;
    try {
      wait = await stopTheIdle();
    } catch (err) {
      core.log.warn({ err }, "idle services not looked at");
      wait = LONGEST_WAIT_MS;
    }
    sweeping = false;
    cancel?.();
    cancel = undefined;
    if (again) return void sweep();
    if (wait !== undefined && !closed) {
      cancel = clock.schedule(Math.min(wait, LONGEST_WAIT_MS), () => void sweep());
    }
  }

  /** Milliseconds until the next one is due; undefined when none can become so. */
  async function stopTheIdle(): Promise<number | undefined> {
    const running = await store.services.listByStates(core.settings.nodeId, ["RUNNING"]);
    let next: number | undefined;
    for (const service of running) {
      const due = idleDue(service);
      if (due === undefined) continue;
      if (service.lastUsedTime > clock.now()) {
        // The clock was set back: counted from now on, or a wrong year would keep it for ever.
        await store.services.update(service.serviceId, { lastUsedTime: clock.now() });
      }
      const wanted = (await desiredState(store, service)) === "RUNNING";
      const remaining = wanted ? LONGEST_WAIT_MS : due - clock.now();
      if (remaining > 0) {
        next = Math.min(next ?? remaining, remaining);
      } else {
        const life = core.registry.get(service.serviceId);
        void life
          ?.stop("IDLE_TIMEOUT", { condition: { kind: "unleased" } })
          .catch((err) =>
            core.log.warn({ err, service_id: service.serviceId }, "idle stop failed"),
          );
      }
    }
    return next;
  }
}

function mayBeIdle(change: Change): boolean {
  if (change.kind !== "SERVICE" || change.type !== "UPSERTED") return false;
  return change.resource.state === "RUNNING" && idleDue(change.resource) !== undefined;
}

/** Epoch ms at which the service has been idle for long enough; undefined while it is not idle. */
function idleDue(service: Service): number | undefined {
  if (service.stopPolicy.kind !== "idle_timeout" || service.leaseRunIds.length > 0)
    return undefined;
  return service.lastUsedTime + (service.stopPolicy.idleMs ?? DEFAULT_IDLE_MS);
}
