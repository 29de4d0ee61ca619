import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createSystemClock } from "../../src/clock.ts";
import { openDataDirectory } from "../../src/store/data-directory.ts";
import type { NewService } from "../../src/store/services.ts";
import { openStore } from "../../src/store/store.ts";
import { startServer, type TestServer } from "../../test/support/server.ts";

/** A server on a store of `count` services that were once started and have ended; ids as `ids` gives them. */
export async function withStoredServices<T>(
  count: number,
  use: (server: TestServer, ids: readonly string[]) => Promise<T>,
): Promise<T> {
  const dataDir = mkdtempSync(join(tmpdir(), "wsrt-bench-"));
  try {
    const ids = Array.from({ length: count }, (_, i) => `service-${String(i).padStart(6, "0")}`);
    await fillStore(dataDir, ids);
    const server = await startServer({ dataDir });
    try {
      return await use(server, ids);
    } finally {
      await server.kill("SIGTERM");
    }
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
}

export async function fillStore(dataDir: string, ids: readonly string[]): Promise<void> {
  const directory = openDataDirectory(dataDir);
  try {
    const store = await openStore({
      database: { kind: "sqlite", path: join(dataDir, "store.db") },
      nodeId: directory.installationId,
      clock: createSystemClock(),
    });
    await store.transaction(async (tx) => {
      for (const id of ids) await tx.services.insert(endedService(id));
    });
    await store.close();
  } finally {
    directory.release();
  }
}

/** With what a row of a real one has in it. */
function endedService(serviceId: string): NewService {
  return {
    serviceId,
    companyId: "company",
    projectId: "project",
    projectWorkspaceId: "",
    workspaceId: "workspace-of-the-bench",
    issueId: "issue-of-the-bench",
    serviceName: serviceId,
    state: "STOPPED",
    health: "UNKNOWN",
    stateReason: "STOP_REQUESTED",
    stateMessage: "",
    lifecycle: "SHARED",
    scopeType: "RUN",
    scopeId: "run-of-the-bench",
    reuseKey: `reuse-key-of-${serviceId}`,
    command: "pnpm --filter web dev --host 127.0.0.1 --port {{port}}",
    cwd: "/home/somebody/projects/shop/.worktrees/SHOP-1-add-a-cart",
    port: 41_000,
    ports: {},
    url: "http://127.0.0.1:41000/",
    provider: "LOCAL_PROCESS",
    providerRef: "12345",
    ownerAgentId: "agent-of-the-bench",
    startedByRunId: "run-of-the-bench",
    stopPolicy: { kind: "manual" },
    exit: { code: 0, exitTime: 1_700_000_000_000 } as never,
    instance: 1,
    restartCount: 0,
    startTime: 1_700_000_000_000,
    readyTime: 1_700_000_000_100,
    stopTime: 1_700_000_100_000,
    spec: { name: serviceId } as never,
  };
}
