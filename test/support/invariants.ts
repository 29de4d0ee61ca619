import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Lease } from "../../gen/workspace/runtime/v1/lease_pb.ts";
import { type Operation, OperationStatus } from "../../gen/workspace/runtime/v1/operation_pb.ts";
import type { ProjectWorkspace } from "../../gen/workspace/runtime/v1/project_workspace_pb.ts";
import { Provider, type Service, ServiceState } from "../../gen/workspace/runtime/v1/service_pb.ts";
import {
  type Workspace,
  WorkspaceState,
  WorkspaceStrategy,
} from "../../gen/workspace/runtime/v1/workspace_pb.ts";
import { nameOf } from "../../src/cli/words.ts";
import type { RuntimeMethods } from "../../src/client/index.ts";
import { MARKER_VARIABLE, SHIM_VARIABLE } from "../../src/supervisor/marker.ts";
import { isLive, parseProcessStat, readProcessStat } from "../../src/supervisor/process-stat.ts";

/** What the server says there is, and what the kernel says lives, at about one moment. */
export interface Observation {
  readonly services: readonly Service[];
  /** Services whose row changed during the look: what was seen of them is of no moment. */
  readonly moving: ReadonlySet<string>;
  readonly leases: readonly Lease[];
  readonly workspaces: readonly Workspace[];
  readonly projectWorkspaces: readonly ProjectWorkspace[];
  readonly operations: readonly Operation[];
  /** With this installation's marker in their environment. */
  readonly marked: readonly OwnProcess[];
  /** Living main processes that wrote the `pid` file of an instance. */
  readonly recorded: readonly OwnProcess[];
}

export interface OwnProcess {
  readonly pid: number;
  readonly startTime: number;
  /** The service, or the operation. */
  readonly ownerId: string;
  /** 0 for an operation. */
  readonly instance: number;
  /** A shim or one of its writers, which are nobody's service. */
  readonly isShim: boolean;
}

type Lists = Pick<
  RuntimeMethods,
  "listServices" | "listLeases" | "listWorkspaces" | "listProjectWorkspaces" | "listOperations"
>;

/** Asks for all pages of everything, then looks at /proc and the data directory, then asks for the services again. */
export async function observe(client: Lists, dataDir: string): Promise<Observation> {
  const listServices = () =>
    pages(
      (page) => client.listServices(page),
      ({ services }) => services,
    );
  const leases = await pages(
    (page) => client.listLeases(page),
    ({ leases }) => leases,
  );
  const workspaces = await pages(
    (page) => client.listWorkspaces(page),
    ({ workspaces }) => workspaces,
  );
  const operations = await pages(
    (page) => client.listOperations(page),
    ({ operations }) => operations,
  );
  const projectWorkspaces = await pages(
    (page) => client.listProjectWorkspaces(page),
    ({ projectWorkspaces }) => projectWorkspaces,
  );
  const before = await listServices();
  const marked = markedProcesses(dataDir);
  const recorded = recordedProcesses(dataDir);
  const services = await listServices();
  const revisions = new Map(before.map(({ serviceId, revision }) => [serviceId, revision]));
  const moving = new Set(
    services
      .filter(({ serviceId, revision }) => revisions.get(serviceId) !== revision)
      .map(({ serviceId }) => serviceId),
  );
  return {
    ...{ services, moving, leases, workspaces, projectWorkspaces, operations },
    ...{ marked, recorded },
  };
}

/**
 * What must hold of every installation whenever nothing is under way; a sentence for each thing that does not. Some
 * milliseconds pass between an end and its row: what is said once and not again was no violation.
 */
export function findViolations(seen: Observation): string[] {
  return [
    ...strangers(seen),
    ...absentProcesses(seen),
    ...doubles(seen),
    ...sharedPorts(seen),
    ...wrongLeases(seen),
    ...lostWorktrees(seen),
  ];
}

/** Two living main processes of one identity, which must not be seen at any moment at all. */
export function findDoubles(
  dataDir: string,
  reuseKeyOf: (serviceId: string) => string | undefined,
): string[] {
  const living = recordedProcesses(dataDir);
  return among(living, ({ ownerId }) => reuseKeyOf(ownerId) ?? ownerId)
    .filter(([, sharing]) => sharing.every((main) => isSame(main)))
    .map(([key, sharing]) => `two processes of ${key}: ${sharing.map(named).join(", ")}`);
}

const HAS_PROCESSES: readonly ServiceState[] = [
  ServiceState.STARTING,
  ServiceState.RUNNING,
  ServiceState.STOPPING,
];

export function isLiveState(state: ServiceState): boolean {
  return HAS_PROCESSES.includes(state) || state === ServiceState.BACKOFF;
}

/** Processes of nobody: their service has ended, is at another instance, or is not known. */
function strangers({ services, moving, operations, marked, recorded }: Observation): string[] {
  const rows = new Map(services.map((service) => [service.serviceId, service]));
  const running = new Set(
    operations
      .filter(({ status }) => status === OperationStatus.RUNNING)
      .map(({ operationId }) => operationId),
  );
  return [...marked, ...recorded].flatMap((found) => {
    const row = rows.get(found.ownerId);
    if (moving.has(found.ownerId) || running.has(found.ownerId)) return [];
    if (row === undefined) return [`${named(found)} belongs to no row`];
    if (HAS_PROCESSES.includes(row.state) && row.instance === found.instance) return [];
    return [`${named(found)} lives, and ${told(row)}`];
  });
}

function absentProcesses({ services, moving, recorded }: Observation): string[] {
  const mains = new Map(recorded.map((main) => [`${main.ownerId}-${main.instance}`, main]));
  return services.flatMap((row) => {
    if (row.provider !== Provider.LOCAL_PROCESS || moving.has(row.serviceId)) return [];
    if (row.state !== ServiceState.RUNNING) {
      return isLiveState(row.state) || row.providerRef === "" ? [] : [`${told(row)} with a pid`];
    }
    const main = mains.get(`${row.serviceId}-${row.instance}`);
    if (main === undefined) return [`${told(row)}, and its process does not live`];
    return String(main.pid) === row.providerRef ? [] : [`${told(row)}, and ${named(main)} lives`];
  });
}

function doubles({ services, recorded }: Observation): string[] {
  const keys = new Map(services.map(({ serviceId, reuseKey }) => [serviceId, reuseKey]));
  const liveRows = services.filter(({ state, reuseKey }) => isLiveState(state) && reuseKey !== "");
  return [
    ...among(liveRows, ({ reuseKey }) => reuseKey).map(
      ([, rows]) => `two live rows of one identity: ${rows.map(told).join("; ")}`,
    ),
    ...among(recorded, ({ ownerId }) => keys.get(ownerId) || ownerId).map(
      ([, mains]) => `two processes of one identity: ${mains.map(named).join(", ")}`,
    ),
  ];
}

function sharedPorts({ services }: Observation): string[] {
  const owned = services
    .filter((row) => isLiveState(row.state) && row.provider === Provider.LOCAL_PROCESS)
    .flatMap((row) => [...new Set(portsOf(row))].map((port) => ({ port, row })));
  return among(owned, ({ port }) => String(port)).map(
    ([port, owners]) => `port ${port}: ${owners.map(({ row }) => told(row)).join("; ")}`,
  );
}

function portsOf({ port, ports }: Service): number[] {
  return [...(port === undefined ? [] : [port]), ...Object.values(ports)];
}

/** Leases and the runs that stand on the services must say the same. */
function wrongLeases({ services, moving, leases }: Observation): string[] {
  const holders = Map.groupBy(leases, ({ serviceId }) => serviceId);
  return services.flatMap((row) => {
    if (moving.has(row.serviceId)) return [];
    const runs = (holders.get(row.serviceId) ?? []).map(({ runId }) => runId);
    const stated = [...row.leaseRunIds].sort().join(" ");
    const held = [...new Set(runs)].sort().join(" ");
    return stated === held ? [] : [`${told(row)} names the runs ${stated}; leased by ${held}`];
  });
}

const USABLE: readonly WorkspaceState[] = [
  WorkspaceState.ACTIVE,
  WorkspaceState.IDLE,
  WorkspaceState.IN_REVIEW,
];

/** Workspaces that can be used have their directory, each its own. */
function lostWorktrees({ workspaces }: Observation): string[] {
  const usable = workspaces.filter(
    ({ state, strategy }) => strategy === WorkspaceStrategy.GIT_WORKTREE && USABLE.includes(state),
  );
  return [
    ...usable
      .filter(({ worktreePath }) => !isDirectory(worktreePath))
      .map(({ workspaceId, worktreePath }) => `workspace ${workspaceId} has lost ${worktreePath}`),
    ...among(usable, ({ worktreePath }) => worktreePath).map(
      ([path, sharing]) =>
        `${path} is the worktree of ${sharing.map(({ workspaceId }) => workspaceId).join(", ")}`,
    ),
  ];
}

/** Everything alive with the marker of this data directory's installation in its environment. */
export function markedProcesses(dataDir: string): OwnProcess[] {
  const installationId = readText(join(dataDir, "installation-id")).trim();
  if (installationId === "") return [];
  return numbers("/proc").flatMap((pid) => {
    const environ = `\0${readText(`/proc/${pid}/environ`)}`;
    const find = (name: string) => {
      const start = environ.indexOf(`\0${name}=${installationId}.`);
      if (start < 0) return undefined;
      const value = start + name.length + installationId.length + 3;
      return environ.slice(value, environ.indexOf("\0", value));
    };
    const shimOf = find(SHIM_VARIABLE);
    const owner = shimOf ?? find(MARKER_VARIABLE);
    const stat = owner === undefined ? undefined : readProcessStat(pid);
    if (owner === undefined || stat === undefined || !isLive(stat)) return [];
    return [{ ...ownerOf(owner), pid, startTime: stat.startTime, isShim: shimOf !== undefined }];
  });
}

/** A UUID is an operation, with a number behind it an instance of a service. */
function ownerOf(instanceId: string): Pick<OwnProcess, "ownerId" | "instance"> {
  const match = /^(.{36})-(\d+)$/.exec(instanceId);
  return { ownerId: match?.[1] ?? instanceId, instance: Number(match?.[2] ?? 0) };
}

function recordedProcesses(dataDir: string): OwnProcess[] {
  const services = join(dataDir, "services");
  return entries(services).flatMap((ownerId) =>
    numbers(join(services, ownerId, "instances")).flatMap((instance) => {
      const record = parseProcessStat(
        readText(join(services, ownerId, "instances", String(instance), "pid")),
      );
      if (record === undefined) return [];
      const { pid, startTime } = record;
      const main = { pid, startTime, ownerId, instance, isShim: false };
      return isSame(main) ? [main] : [];
    }),
  );
}

function isSame({ pid, startTime }: OwnProcess): boolean {
  const stat = readProcessStat(pid);
  return stat !== undefined && isLive(stat) && stat.startTime === startTime;
}

function named({ pid, ownerId, instance, isShim }: OwnProcess): string {
  const what = isShim ? "shim" : "process";
  return `${what} ${pid} (${readText(`/proc/${pid}/cmdline`).replaceAll("\0", " ").trim()}) of ${ownerId}, instance ${instance}`;
}

function told({ serviceId, serviceName, state, instance, providerRef }: Service): string {
  return `${serviceName} ${serviceId} is ${nameOf(ServiceState, state)}, instance ${instance}, pid "${providerRef}"`;
}

/** Those that share a key with another, by key. */
function among<T>(items: readonly T[], keyOf: (item: T) => string): [string, T[]][] {
  return [...Map.groupBy(items, keyOf)].filter(([, sharing]) => sharing.length > 1);
}

interface Page {
  readonly pageSize: number;
  readonly pageToken: string;
}

async function pages<Answer extends { nextPageToken: string }, T>(
  list: (page: Page) => Promise<Answer>,
  itemsOf: (answer: Answer) => readonly T[],
): Promise<T[]> {
  const all: T[] = [];
  let pageToken = "";
  do {
    const answer = await list({ pageSize: 500, pageToken });
    all.push(...itemsOf(answer));
    pageToken = answer.nextPageToken;
  } while (pageToken !== "");
  return all;
}

function numbers(directory: string): number[] {
  return entries(directory)
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

function entries(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

function isDirectory(path: string): boolean {
  try {
    readdirSync(path);
    return true;
  } catch {
    return false;
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}
