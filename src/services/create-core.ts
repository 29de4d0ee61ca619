import { join } from "node:path";
import type { Config } from "../config.ts";
import type { Logs } from "../logs/logs.ts";
import { findPortOwners, portIsFree } from "../supervisor/listeners.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";
import { createAnsweredOnce } from "./answered-once.ts";
import { createDependencyWaits } from "./await-dependencies.ts";
import type { ServicesCore } from "./core.ts";
import { createEnsuredAgain } from "./ensured-again.ts";
import { createIntents } from "./intents.ts";
import { readLaunch } from "./launch.ts";
import { createLauncher } from "./launcher.ts";
import { createPorts } from "./ports.ts";
import { createProbeHosts } from "./readiness/probe-hosts.ts";
import { createRegistry } from "./registry.ts";
import { serviceOfProcess } from "./service-of-process.ts";
import { createServiceRecorder } from "./service-recorder.ts";
import { createStorePatience } from "./store-patience.ts";
import { createUntilStored } from "./until-stored.ts";

type Given = Pick<
  ServicesCore,
  "store" | "clock" | "failpoints" | "log" | "operations" | "runs" | "allowedRoots" | "settings"
>;

export interface CoreOptions extends Given {
  readonly logs: Logs;
  readonly supervisor: Supervisor;
  readonly baseEnvironment: () => Promise<Readonly<Record<string, string>>>;
  /** `<data dir>/services` */
  readonly directory: string;
  /** Aborts when the server ends. */
  readonly closing: AbortSignal;
  readonly config: Pick<Config, "portRange" | "probeHosts" | "shell">;
}

/** Puts the parts of the service manager together. */
export function createServicesCore(options: CoreOptions): ServicesCore {
  const { logs, baseEnvironment, directory, closing, config, ...given } = options;
  const { store, clock, failpoints, log, supervisor, settings } = given;
  const { shell } = config;
  const registry = createRegistry();
  const probeHosts = createProbeHosts(config.probeHosts);
  const untilStored = createUntilStored({ log, closing });
  const patience = createStorePatience({ clock });
  const ports = createPorts({
    store,
    range: config.portRange,
    isFree: portIsFree,
    listenerPids: async (port) => (await findPortOwners([port])).flatMap(({ pids }) => pids),
    serviceOf: (pid) => serviceOfProcess(pid, settings.nodeId),
    adapterEnvOf: async (serviceId) => (await readLaunch(join(directory, serviceId)))?.adapterEnv,
  });
  const launcher = createLauncher({
    ...{ clock, failpoints, log, logs, ports, registry, store, supervisor, probeHosts },
    ...{ baseEnvironment, directory, shell, closing },
    recorder: createServiceRecorder({ store, log, failpoints, untilStored, patience, closing }),
  });
  return {
    ...given,
    ...{ registry, launcher, probeHosts, untilStored, patience },
    answeredOnce: createAnsweredOnce(store),
    ensuredAgain: createEnsuredAgain(),
    intents: createIntents(),
    dependencies: createDependencyWaits(),
  };
}
