import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../clock.ts";
import { maskSecrets } from "../environment/secrets.ts";
import type { Failpoints } from "../failpoints.ts";
import type { Logger } from "../logger.ts";
import type { Log } from "../logs/log.ts";
import type { Logs } from "../logs/logs.ts";
import type { Service } from "../model/service.ts";
import type { Store } from "../store/store.ts";
import type { Instance } from "../supervisor/instance.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";
import { forgetLaunch, keepLaunch, type Launch, readLaunch } from "./launch.ts";
import { createLife, type ServiceLife } from "./life.ts";
import { repairWorkspaceLinks } from "./link-repair/repair-links.ts";
import { type ServicePlan, serviceUrl, serviceVariables } from "./plan.ts";
import type { Ports } from "./ports.ts";
import { portOwner } from "./readiness/port-owner.ts";
import { probeTarget } from "./readiness/probe-target.ts";
import type { Registry } from "./registry.ts";
import type { ServiceRecorder } from "./service-recorder.ts";

/** Makes lives: of new services from their plans, of living ones from their rows. */
export interface Launcher {
  /** Registered before it returns, so that no second one of its identity can be made. */
  create(row: Service): ServiceLife;
  /** Starts the process of a life whose row `insert` writes. */
  launch(life: ServiceLife, plan: ServicePlan, insert: () => Promise<Service>): Promise<void>;
  /** Goes on with what an earlier server left of this row. */
  adopt(row: Service): Promise<Adopted>;
  serviceDirectory(serviceId: string): string;
}

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
}

export function createLauncher(deps: LauncherDependencies): Launcher {
  const { failpoints, logs, ports, registry, store, supervisor } = deps;
  const waiting = { count: 0 };
  const files = new Map<string, LifeFiles>();

  return { create, launch, adopt, serviceDirectory };

  function create(row: Service): ServiceLife {
    const opened = lazily(async () => {
      await mkdir(serviceDirectory(row.serviceId), { recursive: true, mode: 0o700 });
      return logs.open(serviceDirectory(row.serviceId));
    });
    const life = createLife(
      {
        clock: deps.clock,
        failpoints,
        openLog: opened,
        recorder: deps.recorder,
        waiting,
        start,
        ownerOf: (port, instance) => portOwner(port, instance),
        onOver,
      },
      row,
    );
    files.set(row.serviceId, { open: opened, stopRecording: async () => {} });
    registry.add(life);
    return life;
  }

  function launch(life: ServiceLife, plan: ServicePlan, insert: () => Promise<Service>) {
    return life.launch(insert, () => prepare(life, plan));
  }

  /** Everything that can be refused before there is a process. */
  async function prepare(life: ServiceLife, plan: ServicePlan): Promise<Launch> {
    const { serviceId } = life;
    const numbers = await ports.assign(plan, serviceId);
    const { spec } = plan;
    const launch: Launch = {
      command: plan.command,
      cwd: plan.cwd,
      env: { ...(await deps.baseEnvironment()), ...serviceVariables(plan, numbers) },
      stdin: spec.stdin ?? "OPEN",
      target: probeTarget(plan, numbers, "readiness"),
      ...(spec.liveness === undefined ? {} : { liveness: probeTarget(plan, numbers, "liveness") }),
    };
    const mainPort = numbers[""];
    await store.services.update(serviceId, {
      url: maskSecrets(serviceUrl(plan, numbers), launch.env),
      ports: numbers,
      ...(mainPort === undefined ? {} : { port: mainPort }),
    });
    await openFiles(serviceId);
    await keepLaunch(serviceDirectory(serviceId), launch);
    return launch;
  }

  async function start(row: Service, launch: Launch): Promise<Instance> {
    const { command, cwd, env, stdin } = launch;
    await record(row);
    if (row.spec.repairWorkspaceLinks) {
      await repairWorkspaceLinks(cwd, join(serviceDirectory(row.serviceId), "stderr.log"));
    }
    return supervisor.start({
      instanceId: instanceId(row),
      directory: instanceDirectory(row),
      logsDirectory: serviceDirectory(row.serviceId),
      cwd,
      command: command.kind === "command" ? { ...command, shell: deps.shell } : command,
      env,
      stdin,
    });
  }

  async function adopt(row: Service): Promise<Adopted> {
    const life = create(row);
    ports.take(row.serviceId, row.ports);
    await failpoints.hit("adopt.registered");
    await record(row);
    const launch = await readLaunch(serviceDirectory(row.serviceId));
    const found = await supervisor.adopt(instanceDirectory(row));
    await failpoints.hit("adopt.found");
    switch (found.kind) {
      case "living":
        life.resume(found.instance, launch);
        return "adopted";
      case "ended":
        // Also one that waits for its restart: its pause begins anew.
        if (row.state === "BACKOFF" && launch === undefined) life.bury(undefined, NOT_KEPT);
        else life.resume(found.instance, launch);
        return row.state === "BACKOFF" ? "adopted" : "ended";
      case "never-started":
        life.bury(undefined, "the server ended before the command was started");
        return "lost";
      case "foreign":
        life.bury({ exitTime: deps.clock.now(), reason: "EXIT_STATUS_LOST" }, found.why);
        return "lost";
    }
  }

  async function openFiles(serviceId: string): Promise<Log | undefined> {
    return files.get(serviceId)?.open();
  }

  /** What grows from now on is this instance's. */
  async function record({ serviceId, instance, spec }: Service): Promise<void> {
    const file = files.get(serviceId);
    const log = await openFiles(serviceId);
    if (file === undefined || log === undefined) return;
    await file.stopRecording();
    const maxBytes = spec.logs?.maxBytes;
    const recording = await log.record(instance, {
      instanceDirectory: join(serviceDirectory(serviceId), "instances", String(instance)),
      ...(maxBytes ? { maxBytes } : {}),
    });
    file.stopRecording = () => recording.stop();
  }

  function onOver(life: ServiceLife): void {
    const file = files.get(life.serviceId);
    files.delete(life.serviceId);
    ports.giveBack(life.serviceId);
    registry.remove(life);
    close(file, life.serviceId).catch((err) =>
      deps.log.warn({ err, service_id: life.serviceId }, "log not closed"),
    );
  }

  async function close(file: LifeFiles | undefined, serviceId: string): Promise<void> {
    if (file === undefined) return;
    await failpoints.hit("service.settled");
    await forgetLaunch(serviceDirectory(serviceId));
    await file.stopRecording();
    const log = await file.open();
    log.wake();
    log.release();
  }

  function serviceDirectory(serviceId: string): string {
    return join(deps.directory, serviceId);
  }

  function instanceDirectory(row: Service): string {
    return join(serviceDirectory(row.serviceId), "instances", String(row.instance));
  }
}

interface LifeFiles {
  readonly open: () => Promise<Log>;
  stopRecording: () => Promise<void>;
}

function instanceId(row: Service): string {
  return `${row.serviceId}-${row.instance}`;
}

function lazily<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
