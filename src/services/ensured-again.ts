import { hash } from "node:crypto";
import { standsUntil } from "../model/lease.ts";
import type { ServicesCore } from "./core.ts";
import type { EnsureRequest, EnsureResult } from "./services.ts";

/**
 * Answers to calls that come again, word for word, before anything has changed: callers keep their services
 * by ensuring them. Nothing has changed when no revision was made, the leases are as good as just
 * renewed, and the services are still well.
 */
export interface EnsuredAgain {
  find(core: ServicesCore, request: EnsureRequest): Promise<EnsureResult | undefined>;
  /** `revision`: of the store before the work for the answer began. */
  keep(
    core: ServicesCore,
    request: EnsureRequest,
    result: EnsureResult,
    revision: number,
  ): Promise<void>;
}

interface Kept {
  /** A hash: a request has the adapter's variables in it. */
  readonly request: string;
  readonly result: EnsureResult;
  readonly revision: number;
  /** Epoch ms. */
  readonly since: number;
  readonly until: number;
}

/** Runs whose last answer is kept. */
const MOST_RUNS = 256;

export function createEnsuredAgain(): EnsuredAgain {
  const byRun = new Map<string, Kept>();
  return {
    async find(core, request) {
      const kept = byRun.get(request.runId);
      const now = core.clock.now();
      if (kept === undefined || now < kept.since || now > kept.until) return undefined;
      if (kept.request !== hashOf(request)) return undefined;
      if ((await core.store.changes.revision()) !== kept.revision) return undefined;
      return (await areWell(core, kept.result)) ? kept.result : undefined;
    },
    async keep(core, request, result, revision) {
      byRun.delete(request.runId);
      if (result.failures.length > 0 || !result.services.every(({ reused }) => reused)) return;
      const until = await leasesStandUntil(core, request, result);
      if ((await core.store.changes.revision()) !== revision) return;
      const since = core.clock.now();
      byRun.set(request.runId, { request: hashOf(request), result, revision, since, until });
      if (byRun.size > MOST_RUNS) byRun.delete(byRun.keys().next().value as string);
    },
  };
}

/** Of the workspace and of each service. */
async function leasesStandUntil(
  { store }: ServicesCore,
  { runId, workspaceId }: EnsureRequest,
  { services }: EnsureResult,
): Promise<number> {
  const leases = await store.leases.listByRun(runId);
  const untils = ["", ...services.map(({ service }) => service.serviceId)].map((serviceId) => {
    const lease = leases.find(
      (one) => one.workspaceId === workspaceId && one.serviceId === serviceId,
    );
    return lease === undefined ? Number.NEGATIVE_INFINITY : standsUntil(lease);
  });
  return Math.min(...untils);
}

async function areWell({ registry }: ServicesCore, { services }: EnsureResult): Promise<boolean> {
  for (const { service } of services) {
    const life = registry.get(service.serviceId);
    if (life === undefined || life.isEnding() || !(await life.check()).ok) return false;
    if (life.isEnding()) return false;
  }
  return true;
}

function hashOf(request: EnsureRequest): string {
  return hash("sha256", JSON.stringify(request), "base64");
}
