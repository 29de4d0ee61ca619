import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Service } from "../../gen/workspace/runtime/v1/service_pb.ts";
import { ServiceState } from "../../gen/workspace/runtime/v1/service_pb.ts";
import { nameOf } from "../../src/cli/words.ts";
import { findViolations, isLiveState, type Observation, observe } from "../support/invariants.ts";
import type { Watcher } from "./cast/watcher.ts";
import type { Role, Stage } from "./stage.ts";

export interface CheckParts {
  readonly stage: Stage;
  readonly role: Role;
  readonly watchers: readonly Watcher[];
  /** As they were when they began. */
  readonly anchors: readonly Service[];
}

/** So long may an end be on its way to its row, or a change to a watcher. */
const PATIENCE_MS = 30_000;

/**
 * Looks until nothing is wrong that was wrong at every look; nobody of the cast is at work meanwhile. False: the server died first.
 * @throws Error with what was wrong all the time
 */
export async function check(parts: CheckParts, isServerDead: () => boolean): Promise<boolean> {
  const { stage, role } = parts;
  const until = performance.now() + PATIENCE_MS;
  let persisting: readonly string[] | undefined;
  for (;;) {
    let failure: unknown;
    try {
      const seen = await observe(role.client, stage.scene.dataDir);
      stage.figures.add("looks");
      const problems = problemsOf(parts, seen);
      persisting = problems.filter((problem) => persisting?.includes(problem) ?? true);
      if (persisting.length === 0) {
        stage.figures.add("checks");
        stage.figures.add("processes_checked", seen.marked.length);
        return true;
      }
    } catch (error) {
      failure = error;
    }
    if (isServerDead()) return false;
    if (performance.now() > until) throw failure ?? new Error(persisting?.join("\n"));
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function problemsOf({ stage, watchers, anchors }: CheckParts, seen: Observation): string[] {
  return [
    ...findViolations(seen),
    ...unsettled(seen),
    ...leasesOfReleased(stage, seen),
    ...unexplainedRestarts(stage, seen),
    ...changedAnchors(anchors, seen),
    ...watchers.flatMap((watcher) => watcher.differences(seen)),
  ];
}

/** With nobody at work, nothing starts or stops for long. */
function unsettled({ services }: Observation): string[] {
  return services
    .filter(({ state }) => state === ServiceState.STARTING || state === ServiceState.STOPPING)
    .map(
      ({ serviceId, serviceName, state, instance }) =>
        `${serviceName} ${serviceId}, instance ${instance}, stays ${nameOf(ServiceState, state)}`,
    );
}

function leasesOfReleased({ ledger }: Stage, { leases }: Observation): string[] {
  return leases
    .filter(({ runId }) => ledger.runs.get(runId) !== "open")
    .map(
      ({ leaseId, runId, serviceId }) => `lease ${leaseId} of ${serviceId}: ${runId} was released`,
    );
}

/** Only what somebody restarted, or what ended by itself, as its own log tells, may count restarts. */
function unexplainedRestarts({ ledger, scene }: Stage, { services }: Observation): string[] {
  return services.flatMap(({ serviceId, serviceName, restartCount, instance }) => {
    const asked = ledger.services.get(serviceId)?.restartsAsked ?? 0;
    if (restartCount <= asked) return [];
    const crashes = endsOf(join(scene.dataDir, "services", serviceId, "stdout.log"));
    if (restartCount <= asked + crashes) return [];
    return [
      `${serviceName} ${serviceId}, instance ${instance}, counts ${restartCount} restarts: ${asked} were asked for, ${crashes} times it ended by itself`,
    ];
  });
}

function endsOf(log: string): number {
  return readFileSync(log, "utf8").match(/^crash /gm)?.length ?? 0;
}

/** How often it started services again by itself. */
export function restartsByPolicy({ ledger }: Stage, { services }: Observation): number {
  return services
    .map(({ serviceId, restartCount }) =>
      Math.max(0, restartCount - (ledger.services.get(serviceId)?.restartsAsked ?? 0)),
    )
    .reduce((sum, count) => sum + count, 0);
}

function changedAnchors(anchors: readonly Service[], { services }: Observation): string[] {
  const rows = new Map(services.map((service) => [service.serviceId, service]));
  return anchors.flatMap(({ serviceId, serviceName, providerRef }) => {
    const row = rows.get(serviceId);
    const isSame =
      row?.state === ServiceState.RUNNING &&
      row.providerRef === providerRef &&
      row.instance === 1 &&
      row.restartCount === 0 &&
      row.leaseRunIds.length === 1;
    return isSame
      ? []
      : [`${serviceName} was ${providerRef} and is ${row?.providerRef}, ${row?.state}`];
  });
}

/** Once everything was stopped. */
export function findLeftovers({ services, marked, recorded }: Observation): string[] {
  return [
    ...services
      .filter(({ state }) => isLiveState(state))
      .map(({ serviceName, state }) => `${serviceName} is ${nameOf(ServiceState, state)}`),
    ...[...marked, ...recorded].map(({ pid, ownerId }) => `process ${pid} of ${ownerId} is left`),
  ];
}
