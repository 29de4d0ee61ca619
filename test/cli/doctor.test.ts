import { spawn } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { createRepository, temporaryDirectory } from "../git/fixture.ts";
import { eventually } from "../support/eventually.ts";
import { startServer } from "../support/server.ts";
import { isAlive, realizePrimary, shellService } from "../support/workspace.ts";
import { runCli } from "./run-cli.ts";

describe("doctor", { timeout: 120_000 }, () => {
  it("finds nothing wrong with a server that works, nor with one that was killed while services run", async () => {
    const { dataDir, server } = await begin();
    const workspace = await realizePrimary(server);
    onTestFinished(() => workspace.remove());
    await ensure(server, workspace.workspaceId);
    expect(await doctor(dataDir)).toMatchObject({
      code: 0,
      stderr: "",
      stdout: expect.stringContaining("All is well (data directory, store, processes"),
    });
    await server.kill("SIGKILL");
    const report = await doctor(dataDir, "--json");
    expect(report.code).toBe(0);
    expect(JSON.parse(report.stdout)).toMatchObject({
      healthy: true,
      serverRunning: false,
      findings: [],
    });
    const next = await startServer({ dataDir });
    onTestFinished(() => next.stop());
  });

  it("says through a running server what is wrong, and mends what can be mended", async () => {
    const { dataDir, server } = await begin();
    onTestFinished(() => server.stop());
    const repo = createRepository(join(realpathSync(temporaryDirectory()), "repo"));
    const { workspace } = await server.client.realizeWorkspace({
      companyId: "company",
      baseCwd: repo,
      agent: { agentId: "agent", name: "Agent" },
      issue: { issueId: "i", identifier: "A-1", title: "Try" },
      strategy: { case: "gitWorktree", value: {} },
    });
    const worktree = workspace?.worktreePath ?? "";
    rmSync(worktree, { recursive: true });
    chmodSync(join(dataDir, "token"), 0o644);
    const orphan = join(dataDir, "services", "00000000-0000-7000-8000-000000000000");
    mkdirSync(join(orphan, "instances/1"), { recursive: true });
    const { installationId } = await server.client.getRuntimeInfo({});
    const stray = mark(`${installationId}.00000000-0000-7000-8000-000000000001-1`);

    const found = await doctor(dataDir);
    expect(found.code).toBe(1);
    expect(found.stdout).toContain(`data directory: ${join(dataDir, "token")} has mode 0644`);
    expect(found.stdout).toContain("directories: 1 directory");
    expect(found.stdout).toContain(`strays: pid ${stray} (sleep 600)`);
    expect(found.stdout).toContain(`worktrees: The worktree ${worktree}`);
    expect(found.stdout).toMatch(/4 problems \(through the running server\)\.\n$/);
    expect(isAlive(stray) && existsSync(orphan)).toBe(true);

    const repaired = await doctor(dataDir, "--repair");
    expect(repaired.code).toBe(1);
    expect(repaired.stdout).toContain(`  repair: end pid ${stray} (sleep 600)\n`);
    expect(repaired.stdout).toMatch(/1 problem \(through the running server\)\. 3 repaired\.\n$/);
    expect(isAlive(stray) || existsSync(orphan)).toBe(false);
    expect(statSync(join(dataDir, "token")).mode & 0o777).toBe(0o600);
  });

  it("finds, with no server, what lives without a row, and ends it only when told to", async () => {
    const { dataDir, server } = await begin();
    const workspace = await realizePrimary(server);
    onTestFinished(() => workspace.remove());
    const { pid } = await ensure(server, workspace.workspaceId);
    // A server that has ended closes its store into one file.
    await server.kill("SIGTERM");
    rmSync(join(dataDir, "store.db"));
    const empty = await startEmpty(dataDir);
    const found = await doctor(dataDir);
    expect(found).toMatchObject({ code: 1 });
    expect(found.stdout).toContain(`lives (pid ${pid}), and has no row.`);
    expect(isAlive(pid)).toBe(true);
    const repaired = await doctor(dataDir, "--repair");
    expect(repaired.stdout).toContain("  repair: stop service ");
    await eventually(() => !isAlive(pid));
    expect((await doctor(dataDir, "--repair")).code).toBe(0);
    expect(empty).toBe(true);
  });

  it("tells a damaged store, a server that does not answer, and an installation that is not there", async () => {
    const { dataDir, server } = await begin();
    rmSync(join(dataDir, "server.json"));
    const busy = await doctor(dataDir);
    expect(busy).toMatchObject({ code: 1 });
    expect(busy.stdout).toContain(`Another server (pid ${server.pid}) uses the data directory`);
    await server.kill("SIGTERM");
    writeFileSync(join(dataDir, "store.db"), "this is no database, and never was one".repeat(100));
    const damaged = await doctor(dataDir);
    expect(damaged).toMatchObject({ code: 1 });
    expect(damaged.stdout).toContain("store.db is damaged: file is not a database.");
    const missing = await doctor(join(dataDir, "nowhere"));
    expect(missing).toMatchObject({ code: 1, stdout: "" });
    expect(missing.stderr).toContain("There is no data directory");
  });
});

const doctor = (dataDir: string, ...args: string[]) =>
  runCli(["doctor", "--data-dir", dataDir, ...args]);

async function begin() {
  const dataDir = mkdtempSync(join(tmpdir(), "wsrt-"));
  onTestFinished(() => rmSync(dataDir, { recursive: true, force: true, maxRetries: 5 }));
  const server = await startServer({ dataDir });
  onTestFinished(() => server.kill("SIGKILL").then(() => {}));
  return { dataDir, server };
}

async function ensure(
  { client }: Awaited<ReturnType<typeof startServer>>,
  workspaceId: string,
): Promise<{ serviceId: string; pid: number }> {
  const services = [shellService("web", "echo up; exec sleep 600")];
  const answer = await client.ensureServices({ runId: "run", workspaceId, services });
  const [service] = answer.services;
  return { serviceId: service?.serviceId ?? "", pid: Number(service?.providerRef) };
}

/** A store with the tables and no rows, as a restored one may be. */
async function startEmpty(dataDir: string): Promise<boolean> {
  const { openStore } = await import("../../src/store/store.ts");
  const { createSystemClock } = await import("../../src/clock.ts");
  const database = { kind: "sqlite", path: join(dataDir, "store.db") } as const;
  const store = await openStore({ database, nodeId: "n", clock: createSystemClock() });
  await store.close();
  return existsSync(join(dataDir, "store.db"));
}

function mark(marker: string): number {
  const env = { ...process.env, WORKSPACE_RUNTIME_MARKER: marker };
  const child = spawn("sleep", ["600"], { env, stdio: "ignore" });
  onTestFinished(() => void child.kill("SIGKILL"));
  return child.pid ?? 0;
}
