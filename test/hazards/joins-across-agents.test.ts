import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DesiredState, ServiceState } from "../../gen/workspace/runtime/v1/service_pb.ts";
import { eventually } from "../support/eventually.ts";
import { createProject, type TestProject } from "../support/project.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { httpService, type SpecInit, shellService } from "../support/workspace.ts";

describe("hazard 12b: who shares a service", { timeout: 120_000 }, () => {
  let server: TestServer;
  let dataDir: string;
  let project: TestProject;
  beforeAll(async () => {
    dataDir = mkdtempSync(join(tmpdir(), "wsrt-joins-"));
    project = createProject();
    server = await startServer({ dataDir, args: ["--stop-services-on-exit"] });
  });
  afterAll(async () => {
    await server.stop();
    project.remove();
    rmSync(dataDir, { recursive: true, force: true });
  });

  /** A worktree of the project for one task of one agent. */
  async function task(issueId: string, companyId = "company"): Promise<string> {
    const { workspace } = await server.client.realizeWorkspace({
      companyId,
      projectId: "project",
      projectWorkspaceId: "primary",
      baseCwd: project.path,
      issue: { issueId, identifier: issueId.toUpperCase(), title: "Task" },
      agent: { agentId: `agent-of-${issueId}`, name: `Agent ${issueId}` },
      strategy: { case: "gitWorktree", value: {} },
    });
    return workspace?.workspaceId ?? "";
  }
  async function ensure(workspaceId: string, spec: SpecInit, adapterEnv = {}) {
    const runId = `run of ${workspaceId}`.replaceAll(" ", "-");
    const request = { runId, workspaceId, services: [spec], adapterEnv };
    const { services } = await server.client.ensureServices(request);
    return services[0];
  }
  const putProject = (
    services: SpecInit[],
    desiredState: DesiredState = DesiredState.UNSPECIFIED,
  ) =>
    server.client.putProjectWorkspace({
      projectWorkspace: {
        projectWorkspaceId: "primary",
        companyId: "company",
        projectId: "project",
        cwd: project.path,
        desiredState,
        runtimeConfig: { services },
      },
    });
  /** The project's own directory, wherever the run works. */
  const devServer = (name: string): SpecInit => httpService(name, { cwd: project.path });

  it("a run in a worktree joins what a person started for the project, whatever its adapter brings", async () => {
    await putProject([devServer("by-person")]);
    const { services } = await server.client.startServices({
      target: { case: "projectWorkspaceId", value: "primary" },
    });
    const joined = await ensure(await task("joins-person"), devServer("by-person"), { KEY: "k" });
    expect(joined).toMatchObject({ serviceId: services[0]?.serviceId, reused: true });
    expect(joined?.leaseRunIds).toHaveLength(1);
  });

  it("a person joins what a run started, also one that sees the run's variables", async () => {
    const spec = shellService("by-run", "exec sleep 600", {
      cwd: project.path,
      adapterEnvKeys: ["KEY"],
    });
    const started = await ensure(await task("starts"), spec, { KEY: "k" });
    await putProject([spec]);
    const { services } = await server.client.startServices({
      target: { case: "projectWorkspaceId", value: "primary" },
      serviceNames: ["by-run"],
    });
    expect(services).toMatchObject([{ serviceId: started?.serviceId, reused: true }]);
  });

  it("two agents of one project share a plain dev server, each with secrets of its own", async () => {
    const [left, right] = await Promise.all([task("left"), task("right")]);
    const spec = devServer("plain");
    const both = await Promise.all([
      ensure(left, spec, { TOKEN: "left" }),
      ensure(right, spec, { TOKEN: "right" }),
    ]);
    expect(both[0]?.serviceId).toBe(both[1]?.serviceId);
    expect(both.map((service) => service?.reused).sort()).toEqual([false, true]);
  });

  it("two sets of secrets that a service sees are two services, and so are two companies", async () => {
    const spec = shellService("secret", 'echo "$TOKEN"; exec sleep 601', {
      cwd: project.path,
      adapterEnvKeys: ["TOKEN"],
    });
    const first = await ensure(await task("secret-1"), spec, { TOKEN: "one" });
    const second = await ensure(await task("secret-2"), spec, { TOKEN: "two" });
    expect([second?.reused, second?.serviceId === first?.serviceId]).toEqual([false, false]);
    const same = await ensure(await task("secret-3"), spec, { TOKEN: "one" });
    expect(same).toMatchObject({ serviceId: first?.serviceId, reused: true });
    const { chunks } = await server.client.readLogs({
      source: { case: "serviceId", value: second?.serviceId ?? "" },
    });
    expect(chunks.map(({ content }) => content.value)).toEqual(["two\n"]);

    const plain = shellService("of-company", "exec sleep 602", { cwd: project.path });
    const ours = await ensure(await task("ours"), plain);
    const theirs = await ensure(await task("theirs", "rival"), plain);
    expect(theirs).toMatchObject({ companyId: "rival", reused: false });
    expect(theirs?.serviceId).not.toBe(ours?.serviceId);
  });

  it("a run joins what the boot started", async () => {
    await putProject([devServer("by-boot")], DesiredState.RUNNING);
    await server.kill("SIGTERM");
    server = await startServer({ dataDir });
    const running = await eventually(
      async () => {
        const { services } = await server.client.listServices({
          serviceNames: ["by-boot"],
          states: [ServiceState.RUNNING],
        });
        return services[0];
      },
      { timeoutMs: 60_000 },
    );
    const joined = await ensure(await task("joins-boot"), devServer("by-boot"), { KEY: "k" });
    expect(joined).toMatchObject({ serviceId: running.serviceId, reused: true });
  });
});
