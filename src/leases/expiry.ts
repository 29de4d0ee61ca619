import type { Clock } from "../clock.ts";
import type { Failpoints } from "../failpoints.ts";
import type { Logger } from "../logger.ts";
import type { Change } from "../model/change.ts";
import type { Store } from "../store/store.ts";

/** Often enough that a sleep of the machine, or a clock that was set, is noticed. */
const LONGEST_WAIT_MS = 60_000;
/** More than this between the two clocks is no drift: nobody could renew meanwhile. */
const JUMP_MS = 60_000;
const RETRY_MS = 5_000;

export interface LeaseExpiry {
  /** What a commit changed: a lease may end sooner than the next one known. */
  notice(changes: readonly Change[]): void;
  close(): void;
}

export interface LeaseExpiryOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly failpoints: Failpoints;
  readonly log: Logger;
  /** Services whose leases ended. */
  readonly onExpired: (serviceIds: readonly string[]) => void;
}

/**
 * Ends leases when their time has come. Before it begins, and whenever the wall clock has jumped, each
 * gets one full ttl anew: their holders could not renew.
 */
export async function startLeaseExpiry(options: LeaseExpiryOptions): Promise<LeaseExpiry> {
  const { store, clock, log, onExpired } = options;
  let cancel: (() => void) | undefined;
  let sweeping = false;
  let stale = false;
  let closed = false;
  let due = Number.POSITIVE_INFINITY;
  let offset = clock.now() - clock.monotonic();
  await store.leases.renewAll();
  await options.failpoints.hit("lease.all-renewed");
  wake();

  return {
    notice(changes) {
      const ends = changes.flatMap((change) =>
        change.kind === "LEASE" && change.type === "UPSERTED"
          ? (change.resource.expireTime ?? [])
          : [],
      );
      const soonest = Math.min(...ends);
      if (soonest < due) arm(soonest - clock.now());
    },
    close() {
      closed = true;
      cancel?.();
    },
  };

  function wake(): void {
    stale = true;
    if (!sweeping) void sweep();
  }

  async function sweep(): Promise<void> {
    let wait = RETRY_MS;
    sweeping = true;
    while (stale && !closed) {
      stale = false;
      try {
        wait = await expire();
      } catch (err) {
        log.warn({ err }, "leases not looked at");
        wait = RETRY_MS;
      }
    }
    sweeping = false;
    arm(wait);
  }

  function arm(wait: number): void {
    cancel?.();
    if (closed) return;
    const delay = Math.min(Math.max(wait, 0), LONGEST_WAIT_MS);
    due = clock.now() + delay;
    cancel = clock.schedule(delay, wake);
  }

  /** Milliseconds until the next one. */
  async function expire(): Promise<number> {
    const present = clock.now() - clock.monotonic();
    if (Math.abs(present - offset) > JUMP_MS) {
      log.info(
        { jump_ms: Math.round(present - offset) },
        "the clock jumped: leases get a full ttl",
      );
      offset = present;
      await store.leases.renewAll();
    }
    const ended = await store.transaction(async (tx) => {
      const expired = await tx.leases.listExpired();
      for (const { leaseId } of expired) await tx.leases.delete(leaseId);
      return expired;
    });
    const services = [...new Set(ended.map(({ serviceId }) => serviceId))].filter(Boolean);
    if (services.length > 0) onExpired(services);
    const next = await store.leases.nextExpiry();
    return next === undefined ? LONGEST_WAIT_MS : next - clock.now();
  }
}
