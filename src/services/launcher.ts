import { existsSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate as breathe, setTimeout as delay } from "node:timers/promises";
import type { Clock } from "../clock.ts";
import { maskSecrets } from "../environment/secrets.ts";
import type { Failpoints } from "../failpoints.ts";
import type { Logger } from "../logger.ts";
import type { Logs } from "../logs/logs.ts";
import type { Service } from "../model/service.ts";
import type { Store } from "../store/store.ts";
import type { Instance } from "../supervisor/instance.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";
import {
  forgetLaunch,
  keepLaunch,
  type Launch,
  type PrepareOptions,
  readLaunch,
} from "./launch.ts";
import { createLife, type ServiceLife } from "./life.ts";
import { createLifeLog, type LifeLog } from "./life-log.ts";
import { repairWorkspaceLinks } from "./link-repair/repair-links.ts";
import { type ServicePlan, serviceUrl, serviceVariables } from "./plan.ts";
import type { Ports } from "./ports.ts";
import type { ProbeHosts } from "./readiness/probe-hosts.ts";
import { probeTarget } from "./readiness/probe-target.ts";
import { createProbeTools } from "./readiness/probe-tools.ts";
import type { Registry } from "./registry.ts";
import type { ServiceRecorder } from "./service-recorder.ts";
import { findTakenPort } from "./taken-port.ts";

/** Makes lives: of new services from their plans, of living ones from their rows. */
export interface Launcher {
  /** Registered before it returns, so that no second one of its identity can be made. */
  create(row: Service): ServiceLife;
  /** Starts the process of a life whose row `insert` writes, once what it depends on is there. */
  launch(
    life: ServiceLife,
    plan: ServicePlan,
    insert: () => Promise<Service>,
    awaitDependencies: (signal: AbortSignal) => Promise<void>,
  ): Promise<void>;
  /** Goes on with what an earlier server left of this row. */
  adopt(row: Service): Promise<Adopted>;
  /** Goes on with the logs of those adopted, one after the other: nobody waits for that. */
  recordAdopted(): Promise<void>;
  serviceDirectory(serviceId: string): string;
}

const FIRST_RETRY_MS = 100;
const LONGEST_RETRY_MS = 5_000;
const NOT_KEPT = "what it was started with is lost";

export type Adopted = "adopted" | "ended" | "lost";

export interface LauncherDependencies {
  readonly clock: Clock;
  readonly failpoints: Failpoints;
  readonly log: Logger;
  readonly logs: Logs;
  readonly ports: Ports;
  readonly recorder: ServiceRecorder;
  readonly registry: Registry;
  readonly store: Store;
  readonly supervisor: Supervisor;
  readonly baseEnvironment: () => Promise<Readonly<Record<string, string>>>;
  /** `<data dir>/services` */
  readonly directory: string;
  readonly shell: string;
  /** Aborts when the server ends. */
  readonly closing: AbortSignal;
  readonly probeHosts: ProbeHosts;
}

export function createLauncher(deps: LauncherDependencies): Launcher {
  const { clock, failpoints, logs, ports, probeHosts, registry, shell, store, supervisor } = deps;
  const waiting = { count: 0 };
  const lifeLogs = new Map<string, LifeLog>();

  return { create, launch, adopt, recordAdopted, serviceDirectory };

  function create(row: Service): ServiceLife {
    const lifeLog = createLifeLog(logs, serviceDirectory(row.serviceId));
    const life = createLife(
      {
        clock,
        failpoints,
        openLog: lifeLog.open,
        recorder: deps.recorder,
        waiting,
        start,
        probeTools: createProbeTools({ clock, hosts: probeHosts, shell, openLog: lifeLog.open }),
        findTakenPort,
        portInUse: (row, { adapterEnv }, { port }) => ports.inUse({ ...row, adapterEnv }, port),
        onOver,
      },
      row,
    );
    lifeLogs.set(row.serviceId, lifeLog);
    registry.add(life);
    return life;
  }

  function launch(
    life: ServiceLife,
    plan: ServicePlan,
    insert: () => Promise<Service>,
    awaitDependencies: (signal: AbortSignal) => Promise<void>,
  ) {
    let mayStart = false;
    return life.launch(insert, async (options) => {
      if (!mayStart) await awaitDependencies(options.signal);
      mayStart = true;
      return prepare(life, plan, options);
    });
  }

  /** Everything that can be refused before there is a process. */
  async function prepare(
    life: ServiceLife,
    plan: ServicePlan,
    { avoid }: PrepareOptions,
  ): Promise<Launch> {
    const { serviceId } = life;
    const numbers = await ports.assign(plan, serviceId, avoid);
    const { spec } = plan;
    const launch: Launch = {
      command: plan.command,
      cwd: plan.cwd,
      env: { ...(await deps.baseEnvironment()), ...serviceVariables(plan, numbers) },
      stdin: spec.stdin ?? "OPEN",
      adapterEnv: plan.adapterEnv,
      ...(spec.limits === undefined ? {} : { limits: spec.limits }),
      target: probeTarget(plan, numbers, "readiness", probeHosts),
      ...(spec.liveness === undefined
        ? {}
        : { liveness: probeTarget(plan, numbers, "liveness", probeHosts) }),
    };
    const mainPort = numbers[""];
    const facts = {
      url: maskSecrets(serviceUrl(plan, numbers), launch.env),
      ports: numbers,
      ...(mainPort === undefined ? {} : { port: mainPort }),
    };
    await store.services.update(serviceId, facts);
    await lifeLogs.get(serviceId)?.open();
    await keepLaunch(serviceDirectory(serviceId), launch, { ...life.row(), ...facts });
    return launch;
  }

  async function start(row: Service, launch: Launch): Promise<Instance> {
    const { command, cwd, env, stdin, limits } = launch;
    await lifeLogs.get(row.serviceId)?.record(row);
    if (row.spec.repairWorkspaceLinks) {
      await repairWorkspaceLinks(cwd, join(serviceDirectory(row.serviceId), "stderr.log"));
    }
    return supervisor.start({
      instanceId: instanceId(row),
      directory: instanceDirectory(row),
      logsDirectory: serviceDirectory(row.serviceId),
      cwd,
      command: command.kind === "command" ? { ...command, shell } : command,
      env,
      stdin,
      ...(limits === undefined ? {} : { limits }),
    });
  }

  async function adopt(stored: Service): Promise<Adopted> {
    const row = await ofNewestInstance(stored);
    const { serviceId, state } = row;
    const life = create(row);
    ports.take(serviceId, row.ports);
    lifeLogs.get(serviceId)?.recordLater(row);
    const { found, launch } = await look(row);
    switch (found.kind) {
      case "living":
        life.resume(found.instance, launch);
        return "adopted";
      case "ended":
        // Also one that waits for its restart: its pause begins anew.
        if (state === "BACKOFF" && launch === undefined) life.bury(undefined, NOT_KEPT);
        else life.resume(found.instance, launch);
        return state === "BACKOFF" ? "adopted" : "ended";
      case "never-started":
        return goOnWithout(life, row, launch);
      case "foreign":
        life.bury({ exitTime: clock.now(), reason: "EXIT_STATUS_LOST" }, found.why);
        return "lost";
    }
  }

  /** What cannot be looked at (no descriptors left) is neither living nor dead: it is looked at again. */
  async function look(row: Service) {
    for (let pause = FIRST_RETRY_MS; ; pause = Math.min(2 * pause, LONGEST_RETRY_MS)) {
      try {
        await failpoints.hit("adopt.registered");
        const launch = await readLaunch(serviceDirectory(row.serviceId));
        const found = await supervisor.adopt(instanceDirectory(row));
        await failpoints.hit("adopt.found");
        return { found, launch };
      } catch (err) {
        deps.log.error({ err, service_id: row.serviceId }, "not adopted yet");
        await delay(pause, undefined, { signal: deps.closing, ref: false });
      }
    }
  }

  /** There is no process, and never will be of this attempt. */
  async function goOnWithout(
    life: ServiceLife,
    row: Service,
    launch: Launch | undefined,
  ): Promise<Adopted> {
    if (row.state === "STARTING" && launch !== undefined) {
      // The server that died is a caller that went away: the start goes on, as the same instance. A shim
      // that comes late finds its directory gone, and starts nothing.
      await rm(instanceDirectory(row), { recursive: true, force: true });
      life.begin(launch);
      return "adopted";
    }
    if (row.state === "BACKOFF" && launch !== undefined) {
      life.resume(undefined, launch);
      return "adopted";
    }
    const exit = { exitTime: clock.now(), reason: "EXIT_STATUS_LOST" } as const;
    if (row.state === "RUNNING") life.bury(exit, "its instance directory is gone");
    else life.bury(undefined, "the server ended before the command was started");
    return "lost";
  }

  /** A store that was restored from a backup may know of an earlier instance only. */
  async function ofNewestInstance(row: Service): Promise<Service> {
    const { serviceId, instance } = row;
    const instances = join(serviceDirectory(serviceId), "instances");
    if (!existsSync(join(instances, String(instance + 1)))) return row;
    const newest = Math.max(...(await readdir(instances)).map(Number).filter(Number.isInteger));
    const living = await supervisor.recorded(join(instances, String(newest)));
    const facts = {
      instance: newest,
      restartCount: row.restartCount + newest - instance,
      providerRef: living === undefined ? "" : String(living.pid),
      ...(living === undefined ? {} : { startTime: living.startTime }),
    };
    return (await store.services.update(serviceId, facts)) ?? row;
  }

  async function recordAdopted(): Promise<void> {
    for (const [serviceId, lifeLog] of [...lifeLogs]) {
      await breathe();
      await lifeLog
        .catchUp()
        .catch((err) => deps.log.warn({ err, service_id: serviceId }, "log not indexed"));
    }
  }

  function onOver(life: ServiceLife): void {
    const { serviceId } = life;
    const lifeLog = lifeLogs.get(serviceId);
    lifeLogs.delete(serviceId);
    ports.giveBack(serviceId);
    registry.remove(life);
    forget(serviceId)
      .catch((err) => deps.log.warn({ err, service_id: serviceId }, "launch not forgotten"))
      .then(() => lifeLog?.close())
      .catch((err) => deps.log.warn({ err, service_id: serviceId }, "log not closed"));
  }

  async function forget(serviceId: string): Promise<void> {
    await failpoints.hit("service.settled");
    await forgetLaunch(serviceDirectory(serviceId));
  }

  function serviceDirectory(serviceId: string): string {
    return join(deps.directory, serviceId);
  }

  function instanceDirectory(row: Service): string {
    return join(serviceDirectory(row.serviceId), "instances", String(row.instance));
  }
}

function instanceId(row: Service): string {
  return `${row.serviceId}-${row.instance}`;
}
