import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { ServiceState } from "../../gen/workspace/runtime/v1/service_pb.ts";
import { errorDetails } from "../../src/client/index.ts";
import { eventually } from "../support/eventually.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { isAlive, realizePrimary, shellService, type TestWorkspace } from "../support/workspace.ts";

function temporary(): string {
  const path = mkdtempSync(join(tmpdir(), "wsrt-spawned-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** Says its number in a file of the workspace, once for each time that it was started. */
const service = shellService("web", 'echo "$$" >>pids; exec sleep 600');

function ensure(server: TestServer, { workspaceId }: TestWorkspace) {
  return server.client.ensureServices({ runId: "run", workspaceId, services: [service] }).then(
    (answer) => ({ service: answer.services[0], error: undefined }),
    (reason: unknown) => ({ service: undefined, error: errorDetails(reason) }),
  );
}

function pidsOf({ cwd }: TestWorkspace): number[] {
  try {
    return readFileSync(join(cwd, "pids"), "utf8").trim().split("\n").filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

async function begin(dataDir: string, failpoints: string) {
  const server = await startServer({
    dataDir,
    env: { WORKSPACE_RUNTIME_FAILPOINTS: failpoints },
  });
  // Whatever a test asserts: nothing of it outlives it.
  onTestFinished(() => void server.kill("SIGKILL"));
  const workspace = await realizePrimary(server);
  onTestFinished(() => workspace.remove());
  return { server, workspace };
}

async function next(dataDir: string): Promise<TestServer> {
  const server = await startServer({ dataDir });
  onTestFinished(() => server.stop());
  return server;
}

describe("hazard 7: the store fails after the spawn", () => {
  it("for a while: the row is written when it can be, and the caller has its one service", async () => {
    const dataDir = temporary();
    const { server, workspace } = await begin(dataDir, "service.spawned=error(3)");
    const { service: started } = await ensure(server, workspace);
    onTestFinished(() => server.stop());
    expect(started?.state).toBe(ServiceState.RUNNING);
    expect(pidsOf(workspace)).toEqual([Number(started?.providerRef)]);
    expect(server.stderr()).toContain("row not written yet");
  });

  it.each([
    ["dies of it", "service.spawned=kill", undefined],
    ["is killed while it tries again", "service.spawned=error", "SIGKILL"],
    ["is asked to end while it tries again", "service.spawned=error", "SIGTERM"],
  ] as const)(
    "until the server %s: the next one has the process under its id, and can stop it",
    async (_, failpoints, signal) => {
      const dataDir = temporary();
      const { server, workspace } = await begin(dataDir, failpoints);
      const call = ensure(server, workspace);
      await eventually(() => pidsOf(workspace).length === 1, { timeoutMs: 30_000 });
      const [pid = 0] = pidsOf(workspace);
      if (signal !== undefined) await server.kill(signal);
      expect((await call).error).toBeDefined();
      const later = await next(dataDir);
      expect(isAlive(pid)).toBe(true);
      const { service: adopted } = await ensure(later, workspace);
      expect(adopted).toMatchObject({ state: ServiceState.RUNNING, instance: 1, reused: true });
      expect(pidsOf(workspace)).toEqual([pid]);
      const { stopped } = await later.client.stopServices({
        target: { case: "serviceId", value: adopted?.serviceId ?? "" },
        force: true,
      });
      expect(stopped).toMatchObject([{ survivors: [], portsFree: true }]);
      expect(isAlive(pid)).toBe(false);
    },
  );

  it("before it: nothing is started, the caller is told, and the next call starts it", async () => {
    const dataDir = temporary();
    const { server, workspace } = await begin(dataDir, "service.launch-kept=error(1)");
    onTestFinished(() => server.stop());
    expect((await ensure(server, workspace)).error?.reason).toBe("SPAWN_FAILED");
    expect(pidsOf(workspace)).toEqual([]);
    expect((await ensure(server, workspace)).service?.state).toBe(ServiceState.RUNNING);
    expect(pidsOf(workspace)).toHaveLength(1);
  });
});
