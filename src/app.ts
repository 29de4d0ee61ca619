import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { WorkspaceRuntime } from "../gen/workspace/runtime/v1/workspace_runtime_pb.ts";
import { createSystemClock } from "./clock.ts";
import type { Config } from "./config.ts";
import { createBaseEnvironment } from "./environment/base-environment.ts";
import { encodeCursor } from "./events/cursor.ts";
import { createHub } from "./events/hub.ts";
import { watchChanges } from "./events/watch.ts";
import { createFailpoints } from "./failpoints.ts";
import { type LeaseExpiry, startLeaseExpiry } from "./leases/expiry.ts";
import { createRunCalls } from "./leases/run-calls.ts";
import { createLogSources } from "./log-sources.ts";
import type { Logger } from "./logger.ts";
import { createLogs } from "./logs/logs.ts";
import { relieveDisk } from "./logs/relieve-disk.ts";
import { createOperations } from "./operations/manager.ts";
import { createCommandRunner } from "./operations/run-command.ts";
import { loadOrCreateKey, writePrivateFile } from "./private-file.ts";
import { createProjectWorkspaces } from "./project-workspaces/manager.ts";
import { createHandlers } from "./rpc/handlers.ts";
import { followGroup } from "./runs/follow-group.ts";
import { prepareRun } from "./runs/prepare-run.ts";
import { createRuntimeInfo, type StartStory } from "./runtime-info.ts";
import type { Door } from "./server/door.ts";
import { createServer } from "./server/server.ts";
import { loadToken } from "./server/token.ts";
import { bootServices } from "./services/boot.ts";
import { createServicesCore } from "./services/create-core.ts";
import { createIdleSweep, type IdleSweep } from "./services/idle.ts";
import { createServices } from "./services/manager.ts";
import { reconcile } from "./services/reconcile.ts";
import { findMarkedStrays } from "./services/strays.ts";
import type { DataDirectory } from "./store/data-directory.ts";
import { openStore } from "./store/store.ts";
import { readLoginShell } from "./supervisor/login-shell.ts";
import { canPunchHoles, punchHole } from "./supervisor/punch-hole.ts";
import { createSupervisor } from "./supervisor/supervisor.ts";
import { createGarbageCollector } from "./upkeep/collect-garbage.ts";
import { scheduleGarbage } from "./upkeep/schedule.ts";
import { createAllowedRoots } from "./workspaces/allowed-roots.ts";
import { createWorkspaces } from "./workspaces/manager.ts";

export interface App {
  /** What the ready line and `<data dir>/server.json` say. */
  readonly ready: Ready;
  /** Drains: streams are told to come back, calls in flight end, services keep running. */
  close(): Promise<void>;
}

export interface Ready {
  readonly address: string;
  readonly socket: string;
  readonly dataDir: string;
  readonly pid: number;
}

/** What is there before the server itself is. */
export interface Given {
  /** Locked. Released by `close`. */
  readonly directory: DataDirectory;
  readonly door: Door;
  readonly log: Logger;
}

/**
 * The only place that knows all parts. The port answers reads at once; the promise resolves when the
 * services that live are known and changes are let in.
 * @throws RuntimeError or ConfigError that says what to do: nothing was changed then
 */
export async function startApp(config: Config, { directory, door, log }: Given): Promise<App> {
  const clock = createSystemClock();
  const failpoints = createFailpoints(process.env.WORKSPACE_RUNTIME_FAILPOINTS);
  const startTime = clock.now();
  const { installationId } = directory;
  const closing = new AbortController();
  const place = (name: string) => join(config.dataDir, name);
  for (const name of ["services", "operations", "runtime"]) {
    mkdirSync(place(name), { recursive: true, mode: 0o700 });
  }

  const hub = createHub({ clock });
  let expiry: LeaseExpiry | undefined;
  let idle: IdleSweep | undefined;
  const store = await openStore({
    database:
      config.databaseUrl === ""
        ? { kind: "sqlite", path: place("store.db") }
        : { kind: "postgres", url: config.databaseUrl },
    nodeId: installationId,
    clock,
    onCommit(changes) {
      hub.publish(changes);
      expiry?.notice(changes);
      idle?.notice(changes);
    },
  });
  const base = createBaseEnvironment({
    environment: process.env,
    passEnv: config.passEnv,
    readLoginShell,
  });
  void base.warning().then((warning) => warning !== undefined && log.warn(warning));
  // Each asks other programs, and waits for them.
  const [hasHoles, supervisor] = await Promise.all([
    canPunchHoles(config.dataDir),
    createSupervisor({
      installationId,
      runtimeDirectory: place("runtime"),
      clock,
      failpoints,
      log,
    }),
  ]);
  if (!hasHoles) {
    log.warn(
      "logs are not trimmed here: that needs the program fallocate (util-linux) and a file system with holes",
    );
  }
  const logs = createLogs({
    clock,
    failpoints,
    onError: (message, error) => log.warn({ err: error }, message),
    punchHole: hasHoles ? punchHole : undefined,
  });
  const stopRelieving = hasHoles
    ? relieveDisk({
        logs,
        clock,
        directories: [place("services"), place("operations")],
        onError: (message, error) => log.warn({ err: error }, message),
      })
    : () => undefined;
  const runs = createRunCalls();
  const operations = createOperations({
    store,
    clock,
    failpoints,
    runner: createCommandRunner({
      supervisor,
      logs,
      clock,
      failpoints,
      directory: place("operations"),
      shell: config.shell,
    }),
  });
  const allowedRoots = createAllowedRoots(config.allowRoots);
  const projectWorkspaces = createProjectWorkspaces({ store, allowedRoots });

  const core = createServicesCore({
    store,
    clock,
    failpoints,
    log,
    logs,
    operations,
    runs,
    supervisor,
    allowedRoots,
    baseEnvironment: () => base.get(),
    directory: place("services"),
    closing: closing.signal,
    config,
    settings: {
      nodeId: installationId,
      identityKey: loadOrCreateKey(place("identity-key")),
      envPrefix: config.envPrefix,
      defaultStopPolicy: config.defaultStopPolicy,
      defaultLeaseTtlMs: config.defaultLeaseTtlMs,
    },
  });
  const { registry } = core;
  const services = createServices(core, () => idle?.wake());

  const workspaces = createWorkspaces({
    store,
    clock,
    log,
    failpoints,
    operations,
    runs,
    services,
    baseEnv: () => base.get(),
    settings: config,
  });

  const collectGarbage = createGarbageCollector({
    store,
    clock,
    failpoints,
    supervisor,
    workspaces,
    isDriven: (id) => registry.get(id) !== undefined || operations.isRunning(id),
    servicesDirectory: place("services"),
    operationsDirectory: place("operations"),
  });

  const story: StartStory = { markedStrays: 0 };
  const reconciled = Promise.withResolvers<void>();
  const info = createRuntimeInfo({
    ...{ installationId, startTime, store, registry, logs, hub, supervisor },
    trimsLogs: hasHoles,
    story,
  });
  const logSources = createLogSources({
    logs,
    services,
    registry,
    operations,
    reconciled: reconciled.promise,
    servicesDirectory: place("services"),
    operationsDirectory: place("operations"),
  });
  const group = { store, hub, sources: logSources, clock };
  const socket = place("server.sock");
  const server = await createServer({
    service: WorkspaceRuntime,
    handlers: createHandlers({
      services,
      workspaces,
      projectWorkspaces,
      operations,
      logSources,
      logGroups: (options) => followGroup(group, options),
      prepare: (request, signal) =>
        prepareRun({ ...group, runs, workspaces, services }, request, signal),
      watch: (options) => watchChanges({ ...options, source: store, hub, clock }),
      cursorAt: (revision) => encodeCursor(store.generation, revision),
      collectGarbage,
      info,
      clock,
    }),
    listen: config.listen,
    door,
    socketPath: socket,
    token: await loadToken(config.dataDir),
    log,
    ...(config.tlsCert === ""
      ? {}
      : {
          tls: {
            cert: config.tlsCert,
            key: config.tlsKey,
            ...(config.tlsClientCa === "" ? {} : { clientCa: config.tlsClientCa }),
          },
        }),
  });

  await operations.recover(installationId);
  const found = await reconcile(core);
  story.found = found;
  reconciled.resolve();
  expiry = await startLeaseExpiry({
    store,
    clock,
    failpoints,
    log,
    onExpired: (ids) => services.expired(ids),
  });
  idle = createIdleSweep(core);
  services.expired(found.unleased);
  idle.wake();
  const ready: Ready = {
    address: server.address,
    socket,
    dataDir: config.dataDir,
    pid: process.pid,
  };
  writePrivateFile(place("server.json"), `${JSON.stringify(ready)}\n`);
  server.ready();
  const { unleased: _, ...told } = found;
  log.info({ ...ready, ...told }, "ready");
  const behind = async () => {
    await core.launcher.recordAdopted();
    const strays = await findMarkedStrays(core);
    story.markedStrays = strays.length;
    if (strays.length > 0) log.warn({ strays }, "processes with this installation's marker");
  };
  const stopCollecting = scheduleGarbage({ collect: collectGarbage, clock, log });
  behind().catch((err) => log.warn({ err }, "not looked for strays"));
  const boot = bootServices(core);
  story.boot = boot;

  return {
    ready,
    async close() {
      rmSync(place("server.json"), { force: true });
      stopCollecting();
      stopRelieving();
      const booted = boot.close();
      await server.shutdown();
      await booted;
      idle?.close();
      expiry?.close();
      if (config.stopServicesOnExit) {
        await Promise.all(registry.all().map((life) => life.stop("STOP_REQUESTED")));
      }
      closing.abort();
      await supervisor.close();
      await logs.close();
      await store.close();
      directory.release();
    },
  };
}
