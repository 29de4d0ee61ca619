import type { Lease } from "../model/lease.ts";
import type { Service, StopReceipt } from "../model/service.ts";
import type { ServicesCore } from "./core.ts";
import { applyStopPolicy } from "./release.ts";
import { endReportedOf } from "./report-services.ts";
import type { ReleaseResult } from "./services.ts";
import { isStoreFailure } from "./until-stored.ts";

/** First the calls in flight, then the leases: no call of the run can write one after this. */
export async function releaseRun(core: ServicesCore, runId: string): Promise<ReleaseResult> {
  await core.runs.release(runId);
  const ended = await endLeases(core, runId);
  await core.failpoints.hit("lease.released");
  const ids = [...new Set(ended.map(({ serviceId }) => serviceId))].filter((id) => id !== "");
  const receipts = await Promise.all(ids.map((id) => endUnleased(core, id)));
  const reported = await endReportedOf(core, runId);
  const released = await Promise.all(ids.map((id) => core.store.services.get(id)));
  return {
    released: [
      ...released.filter((service): service is Service => service !== undefined),
      ...reported,
    ],
    stopped: receipts.filter((receipt): receipt is StopReceipt => receipt !== undefined),
  };
}

/** Its last lease may have expired: what its stop policy says to that. */
export async function applyExpiry(core: ServicesCore, serviceId: string): Promise<void> {
  const service = await core.store.services.get(serviceId);
  if (service !== undefined) await applyStopPolicy(core, service, "LEASE_EXPIRED");
}

async function endLeases(core: ServicesCore, runId: string): Promise<readonly Lease[]> {
  const held = await core.store.leases.listByRun(runId);
  try {
    return await core.store.leases.deleteByRun(runId);
  } catch (error) {
    // They may be gone for all that; a service that still has one is left alone.
    const doubtful = isStoreFailure(error) ? held : [];
    for (const { serviceId } of doubtful) if (serviceId !== "") endLater(core, serviceId);
    throw error;
  }
}

/** The leases are gone, and the same call again would find none: their end has its consequence all the same. */
async function endUnleased(
  core: ServicesCore,
  serviceId: string,
): Promise<StopReceipt | undefined> {
  try {
    const service = await core.store.services.get(serviceId);
    return service && (await applyStopPolicy(core, service));
  } catch (error) {
    if (isStoreFailure(error)) endLater(core, serviceId);
    throw error;
  }
}

function endLater(core: ServicesCore, serviceId: string): void {
  core
    .untilStored(async () => {
      const service = await core.store.services.get(serviceId);
      if (service !== undefined) await applyStopPolicy(core, service);
    })
    .catch((err) => core.log.warn({ err, service_id: serviceId }, "stop policy not applied"));
}
