import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Service } from "../model/service.ts";
import type { NewService } from "../store/services.ts";
import type { MarkedProcess } from "../supervisor/marked-processes.ts";
import type { RecordedProcess } from "../supervisor/recorded-process.ts";
import type { ServicesCore } from "./core.ts";
import { readKeptService } from "./launch.ts";

/**
 * A main process that a `pid` file of this data directory records, that lives, and that has no row (the
 * store was emptied, or restored from a backup) gets one, so that people see it and can stop it. It is
 * never signalled unasked: no policy of its former row applies.
 * @returns their rows
 */
export async function adoptStrays(core: ServicesCore): Promise<readonly Service[]> {
  const strays: Service[] = [];
  for (const serviceId of await withoutRow(core)) {
    const directory = core.launcher.serviceDirectory(serviceId);
    const living = await findLiving(core, directory);
    if (living === undefined) continue;
    const kept = await readKeptService(directory);
    const row = await insert(core, strayRow(core, { serviceId, kept, ...living }));
    core.log.warn({ service_id: serviceId, pid: row.providerRef }, "a service without a row lives");
    await core.launcher.adopt(row);
    strays.push(row);
  }
  return strays;
}

/**
 * Processes with this installation's marker that belong to nothing that this server drives. They are told, and left
 * alone: a marker is evidence, and what a service started on purpose to stay (tmux, Gradle) bears it as well.
 */
export async function findMarkedStrays(core: ServicesCore): Promise<readonly MarkedProcess[]> {
  const marked = await core.supervisor.marked();
  return marked.filter(({ instanceId }) => !isDriven(core, instanceId));
}

/** Instances are named `<service id>-<n>`, those of commands after their operation. */
function isDriven({ registry, operations }: ServicesCore, instanceId: string): boolean {
  const serviceId = instanceId.replace(/-\d+$/, "");
  return registry.get(serviceId) !== undefined || operations.isRunning(instanceId);
}

/** Directories of services that the store does not know. */
async function withoutRow({ launcher, store }: ServicesCore): Promise<string[]> {
  const known = new Set(await store.garbage.serviceIds());
  const names = await readdir(launcher.serviceDirectory("")).catch(ignoreMissing);
  return names.filter((name) => !known.has(name));
}

interface Living {
  readonly instance: number;
  readonly process: RecordedProcess;
}

/** The newest instance, if it lives: two of one service never do. */
async function findLiving(
  { supervisor }: ServicesCore,
  directory: string,
): Promise<Living | undefined> {
  const names = await readdir(join(directory, "instances")).catch(ignoreMissing);
  const numbers = names.map(Number).filter((number) => Number.isInteger(number) && number > 0);
  for (const instance of numbers.sort((a, b) => b - a)) {
    const process = await supervisor.recorded(join(directory, "instances", String(instance)));
    if (process !== undefined) return { instance, process };
  }
  return undefined;
}

/** Its former identity, if that is free: then who asks for it again joins it instead of meeting it at its port. */
async function insert({ store }: ServicesCore, row: NewService): Promise<Service> {
  const { record, inserted } = await store.services.insert(row);
  if (inserted) return record;
  return (await store.services.insert({ ...row, reuseKey: "" })).record;
}

function strayRow(
  { settings }: ServicesCore,
  found: Living & { readonly serviceId: string; readonly kept: Service | undefined },
): NewService {
  const { serviceId, instance, process, kept } = found;
  const { nodeId: _node, leaseRunIds: _runs, createTime: _created, ...rest } = kept ?? UNKNOWN;
  const { updateTime: _updated, lastUsedTime: _used, revision: _revision, ...known } = rest;
  const { restart: _restart, ...spec } = known.spec;
  return {
    ...known,
    serviceId,
    state: "RUNNING",
    health: "UNKNOWN",
    stateReason: "STRAY",
    stateMessage: `found running without a row by ${settings.nodeId}`,
    stopPolicy: { kind: "manual" },
    provider: "LOCAL_PROCESS",
    providerRef: String(process.pid),
    instance,
    startTime: process.startTime,
    readyTime: process.startTime,
    spec,
  };
}

/** What is said of a process whose launch was lost as well. */
const UNKNOWN: Service = {
  serviceId: "",
  companyId: "",
  projectId: "",
  projectWorkspaceId: "",
  workspaceId: "",
  issueId: "",
  serviceName: "stray",
  state: "RUNNING",
  health: "UNKNOWN",
  stateMessage: "",
  lifecycle: "SHARED",
  scopeType: "PROJECT_WORKSPACE",
  scopeId: "",
  reuseKey: "",
  command: "",
  cwd: "",
  ports: {},
  url: "",
  provider: "LOCAL_PROCESS",
  providerRef: "",
  ownerAgentId: "",
  startedByRunId: "",
  leaseRunIds: [],
  stopPolicy: { kind: "manual" },
  instance: 1,
  restartCount: 0,
  nodeId: "",
  lastUsedTime: 0,
  createTime: 0,
  updateTime: 0,
  revision: 0,
  spec: {},
};

function ignoreMissing(error: NodeJS.ErrnoException): string[] {
  if (error.code === "ENOENT" || error.code === "ENOTDIR") return [];
  throw error;
}
