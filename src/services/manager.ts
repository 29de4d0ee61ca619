import { RuntimeError } from "../errors.ts";
import type { Service, StopReceipt } from "../model/service.ts";
import { untilAbandoned } from "./abandon.ts";
import type { ServicesCore } from "./core.ts";
import { ensure } from "./ensure.ts";
import { applyStopPolicy } from "./release.ts";
import { endReportedOf, reportServices } from "./report-services.ts";
import { restartServices } from "./restart-services.ts";
import type { ReleaseResult, Services } from "./services.ts";
import { startServices } from "./start-services.ts";
import { stopOfWorkspace, stopServices } from "./stop-services.ts";
import { servicesOfWorkspace } from "./targets.ts";

/** The services of all workspaces: each method is told once here and done in a file of its own. */
export function createServices(core: ServicesCore, onReleased: () => void): Services {
  const { store } = core;
  return {
    ensure: (request, signal) => untilAbandoned(ensure(core, request), signal),
    start: (request, signal) => untilAbandoned(startServices(core, request), signal),
    stop: (request, signal) => untilAbandoned(stopServices(core, request), signal),
    restart: (request, signal) => untilAbandoned(restartServices(core, request), signal),
    report: (request, signal) => untilAbandoned(reportServices(core, request), signal),
    releaseRun: (runId, _actor, signal) =>
      untilAbandoned(releaseRun(core, runId).finally(onReleased), signal),
    async renewRun(runId, ttlMs) {
      const renewed = await store.leases.renewRun(runId, ttlMs);
      if (renewed.length > 0) return renewed;
      throw new RuntimeError(
        "RUN_NOT_FOUND",
        `run ${runId} holds no live lease: ensure its services again`,
        { metadata: { run_id: runId } },
      );
    },
    expired(serviceIds) {
      for (const serviceId of serviceIds) {
        expire(core, serviceId)
          .finally(onReleased)
          .catch((err) => core.log.warn({ err, service_id: serviceId }, "stop policy not applied"));
      }
    },
    listLeases: (filter, page) => store.leases.list(filter, page),
    async get(serviceId) {
      const service = await store.services.get(serviceId);
      if (service !== undefined) return service;
      throw new RuntimeError("SERVICE_NOT_FOUND", `there is no service ${serviceId}`, {
        metadata: { service_id: serviceId },
      });
    },
    list: (filter, page) => store.services.list(filter, page),
    ofWorkspace: (workspace) => servicesOfWorkspace(core, workspace),
    stopOfWorkspace: (workspace, reason) => stopOfWorkspace(core, workspace, reason),
  };
}

async function expire(core: ServicesCore, serviceId: string): Promise<void> {
  const service = await core.store.services.get(serviceId);
  if (service !== undefined) await applyStopPolicy(core, service, "LEASE_EXPIRED");
}

/** First the calls in flight, then the leases: no call of the run can write one after this. */
async function releaseRun(core: ServicesCore, runId: string): Promise<ReleaseResult> {
  await core.runs.release(runId);
  const ended = await core.store.leases.deleteByRun(runId);
  await core.failpoints.hit("lease.released");
  const ids = [...new Set(ended.map(({ serviceId }) => serviceId))].filter((id) => id !== "");
  const receipts = await Promise.all(
    ids.map(async (id): Promise<StopReceipt | undefined> => {
      const service = await core.store.services.get(id);
      return service === undefined ? undefined : applyStopPolicy(core, service);
    }),
  );
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
