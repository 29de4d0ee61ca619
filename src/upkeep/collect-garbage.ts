import { basename, join } from "node:path";
import { setImmediate as breathe } from "node:timers/promises";
import type { Clock } from "../clock.ts";
import type { Failpoints } from "../failpoints.ts";
import type { Store } from "../store/store.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";
import { collectRescues, type Rescues } from "./collect-rescues.ts";
import {
  type GarbageRequest,
  type GarbageResult,
  newTally,
  OPERATION_AGE_MS,
  SERVICE_AGE_MS,
  type Tally,
} from "./garbage.ts";
import {
  isInUse,
  namesIn,
  readStoredDirectory,
  removeInstance,
  removeStoredDirectory,
} from "./stored-directory.ts";

export interface GarbageDependencies {
  readonly store: Store;
  readonly clock: Clock;
  readonly failpoints: Failpoints;
  readonly supervisor: Pick<Supervisor, "isInUse">;
  /** Absent where none can be asked for. */
  readonly workspaces?: Rescues;
  /** Something of this server still drives the service, or runs the command, of this id. */
  readonly isDriven: (id: string) => boolean;
  /** `<data dir>/services` */
  readonly servicesDirectory: string;
  /** `<data dir>/operations` */
  readonly operationsDirectory: string;
}

/** Removes what is old; one collection after the other. */
export type CollectGarbage = (request: GarbageRequest) => Promise<GarbageResult>;

/**
 * Nothing that lives, that is leased, or that is the newest service of its identity is ever removed. The row goes
 * first and its directory after it: a crash in between leaves a directory without a row, which the next collection
 * finds. The other way round it would leave a row that has lost its log.
 */
export function createGarbageCollector(deps: GarbageDependencies): CollectGarbage {
  let last: Promise<unknown> = Promise.resolve();
  return (request) => {
    const result = last.then(() => collect(deps, request));
    last = result.catch(() => {});
    return result;
  };
}

async function collect(deps: GarbageDependencies, request: GarbageRequest): Promise<GarbageResult> {
  const { store, clock } = deps;
  const { companyId, dryRun } = request;
  const tally = newTally();
  const endedBefore = clock.now() - (request.serviceAgeMs ?? SERVICE_AGE_MS);
  const operatedBefore = clock.now() - (request.operationAgeMs ?? OPERATION_AGE_MS);

  const { services, operations } = kinds(deps);
  const oldServices = await store.garbage.services(companyId, endedBefore);
  const oldOperations = await store.garbage.operations(companyId, operatedBefore);
  tally.services += await collectRows(deps, services, oldServices, dryRun, tally);
  tally.operations += await collectRows(deps, operations, oldOperations, dryRun, tally);
  await collectInstances(deps, request, tally);
  if (companyId === "") {
    // Old ones of a dry run have their rows still, and are counted already.
    for (const kind of [services, operations]) await collectOrphans(deps, kind, dryRun, tally);
  }
  await collectRescues(deps, request, tally);
  if (!dryRun) {
    const ports = await store.garbage.ports(companyId, endedBefore);
    for (const port of ports) await store.ports.release(port);
    await store.requests.expire();
  }
  return tally;
}

/** What has a row, and a directory of the same name. */
interface Kind {
  readonly directory: string;
  remove(id: string): Promise<unknown>;
  ids(): Promise<readonly string[]>;
}

function kinds({ store, servicesDirectory, operationsDirectory }: GarbageDependencies) {
  const services: Kind = {
    directory: servicesDirectory,
    remove: (id) => store.services.delete(id),
    ids: () => store.garbage.serviceIds(),
  };
  const operations: Kind = {
    directory: operationsDirectory,
    remove: (id) => store.operations.delete(id),
    ids: () => store.garbage.operationIds(),
  };
  return { services, operations };
}

/** How many rows went, or would. */
async function collectRows(
  deps: GarbageDependencies,
  { directory, remove }: Kind,
  ids: readonly string[],
  dryRun: boolean,
  tally: Tally,
): Promise<number> {
  let count = 0;
  for (const id of ids) {
    await breathe();
    const path = directoryOf(directory, id);
    const stored = path === undefined ? undefined : await readStoredDirectory(path);
    // Its last words may still be on their way into its log.
    if (deps.isDriven(id) || (stored && (await isInUse(stored, deps.supervisor)))) continue;
    if (!dryRun && (await remove(id)) === undefined) continue;
    count += 1;
    if (!dryRun) await deps.failpoints.hit("garbage.row-deleted");
    if (stored !== undefined) await removeStoredDirectory(stored, dryRun, tally);
  }
  return count;
}

/** The id of a reported service is its adapter's own text: one that spells a path elsewhere has no directory here. */
function directoryOf(directory: string, id: string): string | undefined {
  return basename(id) === id && id !== "." && id !== ".." ? join(directory, id) : undefined;
}

/** A service that was restarted many times needs the records of its newest instance only. */
async function collectInstances(
  { store, supervisor, servicesDirectory }: GarbageDependencies,
  { companyId, dryRun }: GarbageRequest,
  tally: Tally,
): Promise<void> {
  for (const { serviceId, instance } of await store.garbage.restarted(companyId)) {
    await breathe();
    const { instances } = await readStoredDirectory(join(servicesDirectory, serviceId));
    const former = join(servicesDirectory, serviceId, "instances");
    for (let number = 1; number < instance; number += 1) {
      const path = join(former, String(number));
      if (!instances.includes(path) || (await supervisor.isInUse(path))) continue;
      await removeInstance(path, dryRun, tally);
    }
  }
}

/** The directories are listed before the rows: a row is written before its directory is made. */
async function collectOrphans(
  deps: GarbageDependencies,
  { directory, ids }: Kind,
  dryRun: boolean,
  tally: Tally,
): Promise<void> {
  const names = await namesIn(directory);
  const known = new Set(await ids());
  for (const name of names.filter((id) => !known.has(id) && !deps.isDriven(id))) {
    await breathe();
    const stored = await readStoredDirectory(join(directory, name));
    if (await isInUse(stored, deps.supervisor)) continue;
    await removeStoredDirectory(stored, dryRun, tally);
  }
}
