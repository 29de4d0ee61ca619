import { setTimeout as delay } from "node:timers/promises";
import { RuntimeError } from "../errors.ts";
import type { Failpoints } from "../failpoints.ts";
import type { Logger } from "../logger.ts";
import type { Service } from "../model/service.ts";
import type { ServicePatch } from "../store/services.ts";
import type { Store, StoreQueries } from "../store/store.ts";
import { type LifeEvent, wasAskedFor } from "./state.ts";
import type { StorePatience } from "./store-patience.ts";
import { isStoreFailure, type UntilStored } from "./until-stored.ts";

/** What must hold in the store at the very moment of a stop, or it does not happen. */
export type StopCondition =
  /** Nobody leases it. */
  | { readonly kind: "unleased" }
  /** Nobody but this run leases it. */
  | { readonly kind: "unleased-by-others"; readonly runId: string };

/** Writes the row of a life: the one writer that it has. */
export interface ServiceRecorder {
  /** Undefined when the condition did not hold: nothing was written. */
  write(
    before: Service,
    patch: ServicePatch,
    event: LifeEvent,
    condition?: StopCondition,
  ): Promise<Service | undefined>;
  /** The row as it stands, as soon as the store answers. Rejects when the server ends before. */
  stored(serviceId: string): Promise<Service | undefined>;
}

const FIRST_RETRY_MS = 100;
const LONGEST_RETRY_MS = 5_000;

/**
 * An intent (a stop) that cannot be stored is refused to its caller. What the world has done is true
 * whether it can be stored or not: it is written again and again until it stands, or the server
 * ends; then the next one's reconcile finds it in the instance's files.
 */
export function createServiceRecorder(options: {
  readonly store: Store;
  readonly log: Logger;
  readonly failpoints: Failpoints;
  readonly untilStored: UntilStored;
  readonly patience: StorePatience;
  /** Aborts when the server ends. */
  readonly closing: AbortSignal;
}): ServiceRecorder {
  const { store, log, failpoints, patience, closing } = options;
  return {
    stored: (serviceId) => options.untilStored(() => store.services.get(serviceId)),
    async write(before, patch, event, condition) {
      for (let pause = FIRST_RETRY_MS; ; pause = Math.min(pause * 2, LONGEST_RETRY_MS)) {
        try {
          await hitBefore(failpoints, event);
          const written = await store.transaction((tx) =>
            writeRow(tx, before, patch, event, condition),
          );
          patience.written();
          await hitAfter(failpoints, event);
          return written;
        } catch (error) {
          if (event.type === "stop" || event.type === "restart") throw error;
          if (isStoreFailure(error)) patience.failed(error);
          log.error(
            { err: error, service_id: before.serviceId, event: event.type },
            "row not written yet",
          );
          await delay(pause, undefined, { signal: closing, ref: false }).catch((cause) => {
            const message = "the server ends before what happened could be written";
            throw new RuntimeError("SHUTTING_DOWN", message, { cause });
          });
        }
      }
    },
  };
}

/** What the world has done, and no row says yet. */
async function hitBefore(failpoints: Failpoints, event: LifeEvent): Promise<void> {
  if (event.type === "spawned") await failpoints.hit("service.spawned");
  if (event.type === "ready") await failpoints.hit("service.ready");
  if (event.type === "exited") await failpoints.hit("service.exited");
  if (event.type === "ended") await failpoints.hit("stop.proven");
}

/** What a row says, and nobody has acted upon. */
async function hitAfter(failpoints: Failpoints, event: LifeEvent): Promise<void> {
  if (event.type === "spawned") await failpoints.hit("service.spawn-written");
  if (event.type === "ready") await failpoints.hit("service.ready-written");
  if (event.type === "exited") await failpoints.hit("service.exit-written");
  if (event.type === "stop") await failpoints.hit("stop.intended");
  if (event.type === "ended") await failpoints.hit("stop.end-written");
}

async function writeRow(
  tx: StoreQueries,
  before: Service,
  patch: ServicePatch,
  event: LifeEvent,
  condition: StopCondition | undefined,
): Promise<Service | undefined> {
  const { serviceId } = before;
  if (condition !== undefined) {
    const leases = await tx.leases.holdersOfService(serviceId);
    const inTheWay = leases.filter(
      ({ runId }) => condition.kind === "unleased" || runId !== condition.runId,
    );
    if (inTheWay.length > 0) return undefined;
  }
  if (endsLeases(before, patch, event)) await tx.leases.deleteByService(serviceId);
  return (await tx.services.update(serviceId, patch)) ?? ({ ...before, ...patch } as Service);
}

/** A stop that was asked for takes the leases with it; so does a start that came to nothing. */
function endsLeases(before: Service, patch: ServicePatch, event: LifeEvent): boolean {
  if (event.type === "stop") return wasAskedFor(event.reason);
  return patch.state === "FAILED" && before.readyTime === undefined;
}
