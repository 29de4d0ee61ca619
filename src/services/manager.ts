import { RuntimeError } from "../errors.ts";
import { untilAbandoned } from "./abandon.ts";
import type { ServicesCore } from "./core.ts";
import { ensure } from "./ensure.ts";
import { applyExpiry, releaseRun } from "./release-run.ts";
import { reportServices } from "./report-services.ts";
import { restartServices } from "./restart-services.ts";
import type { Services } from "./services.ts";
import { startServices } from "./start-services.ts";
import { stopOfWorkspace, stopServices } from "./stop-services.ts";
import { servicesOfWorkspace } from "./targets.ts";

/** The services of all workspaces: each method is told once here and done in a file of its own. */
export function createServices(core: ServicesCore, onReleased: () => void): Services {
  const { store, patience } = core;
  const call = <T>(work: Promise<T>, signal: AbortSignal) =>
    untilAbandoned(patience.within(work), signal);
  return {
    ensure: (request, signal) => call(ensure(core, request), signal),
    start: (request, signal) => call(startServices(core, request), signal),
    stop: (request, signal) => call(stopServices(core, request), signal),
    restart: (request, signal) => call(restartServices(core, request), signal),
    report: (request, signal) => call(reportServices(core, request), signal),
    releaseRun: (runId, _actor, signal) =>
      call(releaseRun(core, runId).finally(onReleased), signal),
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
        core
          .untilStored(() => applyExpiry(core, serviceId))
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
    stopOfWorkspace: (workspace, reason) =>
      patience.within(stopOfWorkspace(core, workspace, reason)),
  };
}
