import { existsSync } from "node:fs";
import { join } from "node:path";
import { createSystemClock } from "../../clock.ts";
import { isRuntimeError } from "../../errors.ts";
import { createFailpoints } from "../../failpoints.ts";
import type { Git } from "../../git/git.ts";
import { openDataDirectory } from "../../store/data-directory.ts";
import type { DatabaseLocation } from "../../store/database.ts";
import { LIVE_SERVICE_STATES } from "../../store/services.ts";
import { openStore, type Store } from "../../store/store.ts";
import { createInspection } from "../../supervisor/inspection.ts";
import { createSupervisor } from "../../supervisor/supervisor.ts";
import { createGarbageCollector } from "../collect-garbage.ts";
import { SERVICE_AGE_MS } from "../garbage.ts";
import { examineProcesses } from "./examine-processes.ts";
import { examineWorktrees } from "./examine-worktrees.ts";
import type { Finding } from "./finding.ts";
import type { Rows } from "./rows.ts";

export interface StoppedInstallation {
  readonly dataDir: string;
  /** "" for the SQLite in the data directory. */
  readonly databaseUrl: string;
  readonly git: Git;
}

/**
 * Looks at a data directory that no server uses, and keeps servers out until `conclude` has repaired what it wants to.
 * Opening the store brings its schema up to this version's, as the server of this version would.
 */
export async function examineStopped(
  { dataDir, databaseUrl, git }: StoppedInstallation,
  conclude: (findings: readonly Finding[]) => Promise<void>,
): Promise<void> {
  const clock = createSystemClock();
  const path = join(dataDir, "store.db");
  if (databaseUrl === "" && !existsSync(path)) return conclude([]);
  let directory: ReturnType<typeof openDataDirectory>;
  try {
    directory = openDataDirectory(dataDir);
  } catch (error) {
    return conclude([told("data directory", error)]);
  }
  const { installationId } = directory;
  let store: Store | undefined;
  try {
    const database: DatabaseLocation =
      databaseUrl === "" ? { kind: "sqlite", path } : { kind: "postgres", url: databaseUrl };
    store = await openStore({ database, nodeId: installationId, clock });
    const opened = store;
    const inspection = createInspection(installationId);
    const marked = await inspection.marked();
    const rows = await readRows(opened, installationId);
    const servicesDirectory = join(dataDir, "services");
    const processes = await examineProcesses(rows, {
      inspection,
      servicesDirectory,
      serverRuns: false,
      marked,
      stopStray: (_, instanceDirectory) => stopInstance(dataDir, installationId, instanceDirectory),
      async removeOrphans() {
        const collect = createGarbageCollector({
          store: opened,
          clock,
          failpoints: createFailpoints(),
          supervisor: inspection,
          isDriven: () => false,
          servicesDirectory,
          operationsDirectory: join(dataDir, "operations"),
        });
        await collect({ dryRun: false, companyId: "" });
      },
    });
    await conclude([
      ...processes,
      ...(await examineWorktrees(git, rows.worktrees)),
      ...(await examinePorts(opened, clock.now() - SERVICE_AGE_MS)),
    ]);
  } catch (error) {
    if (!isRuntimeError(error)) throw error;
    await conclude([told("store", error)]);
  } finally {
    await store?.close();
    directory.release();
  }
}

/** Our errors say what to do themselves. */
function told(check: Finding["check"], error: unknown): Finding {
  return { check, problem: (error as Error).message, advice: "" };
}

async function readRows(store: Store, nodeId: string): Promise<Rows> {
  const services = await store.services.listAll({ providers: ["LOCAL_PROCESS"] });
  const operations = await store.operations.listRunning(nodeId);
  const workspaces = await store.workspaces.listLive("");
  return {
    services: services
      .filter((service) => service.nodeId === nodeId)
      .map((service) => ({
        serviceId: service.serviceId,
        name: service.serviceName,
        isLive: LIVE_SERVICE_STATES.some((state) => state === service.state),
        isRunning: service.state === "RUNNING",
        isStray: service.stateReason === "STRAY",
        instance: service.instance,
        pid: service.providerRef,
      })),
    operationIds: operations.map(({ operationId }) => operationId),
    worktrees: workspaces
      .filter(({ worktreePath, state }) => worktreePath !== "" && state !== "PROVISIONING")
      .map(({ workspaceId, worktreePath, repoRoot, branchName }) => ({
        workspaceId,
        path: worktreePath,
        repoRoot,
        branchName,
      })),
  };
}

async function examinePorts(store: Store, before: number): Promise<Finding[]> {
  const ports = await store.garbage.ports("", before);
  if (ports.length === 0) return [];
  return [
    {
      check: "ports",
      problem: `${ports.length} reserved port(s) belong to what is no more: ${ports.slice(0, 10).join(", ")}.`,
      advice:
        "workspace-runtime gc, with the server running, frees them; so does the server once a day.",
      repair: {
        what: "free these ports",
        async run() {
          for (const port of ports) await store.ports.release(port);
        },
      },
    },
  ];
}

/** With proof, as a server does it. */
async function stopInstance(
  dataDir: string,
  installationId: string,
  directory: string,
): Promise<void> {
  const supervisor = await createSupervisor({
    installationId,
    runtimeDirectory: join(dataDir, "runtime"),
    clock: createSystemClock(),
  });
  try {
    const found = await supervisor.adopt(directory);
    if (found.kind !== "living") return;
    const { proven, survivors } = await found.instance.stop();
    if (proven) return;
    throw new Error(`still living: pid ${survivors.map(({ pid }) => pid).join(", ")}`);
  } finally {
    await supervisor.close();
  }
}
