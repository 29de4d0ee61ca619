import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { ErrorReason } from "../../gen/workspace/runtime/v1/error_reason_pb.ts";
import {
  DesiredState,
  ScopeType,
  ServiceState,
} from "../../gen/workspace/runtime/v1/service_pb.ts";
import { WorkspaceState } from "../../gen/workspace/runtime/v1/workspace_pb.ts";
import { eventually } from "../support/eventually.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { isAlive, type SpecInit, shellService } from "../support/workspace.ts";

const { RUNNING, STOPPED, MANUAL } = DesiredState;
const LONG = { timeoutMs: 60_000 };

describe("the boot", { timeout: 120_000 }, () => {
  let server: TestServer | undefined;
  let dataDir: string | undefined;
  let cwd = "";
  afterEach(async () => {
    await server?.stop();
    for (const path of [cwd, dataDir ?? ""])
      if (path) rmSync(path, { recursive: true, force: true });
  });

  async function first(): Promise<TestServer> {
    dataDir = mkdtempSync(join(tmpdir(), "wsrt-boot-"));
    cwd = mkdtempSync(join(tmpdir(), "wsrt-project-"));
    server = await startServer({ dataDir, args: ["--stop-services-on-exit"] });
    return server;
  }
  /** Ends the server and, since it was started so, its services; then starts the next one. */
  async function next(): Promise<TestServer> {
    await server?.kill("SIGTERM");
    server = await startServer(dataDir === undefined ? {} : { dataDir });
    return server;
  }
  const facts = async () => (await server?.client.getRuntimeInfo({}))?.reconcile;
  const living = async () => {
    const states = [ServiceState.STARTING, ServiceState.RUNNING];
    const page = await server?.client.listServices({ states, pageSize: 500 });
    return (page?.services ?? []).map(({ serviceName }) => serviceName).sort();
  };
  const processes = async () => {
    const page = await server?.client.listServices({ pageSize: 500 });
    return (page?.services ?? []).flatMap(({ providerRef }) => (providerRef ? [providerRef] : []));
  };
  const own = (name: string, command: string, more: SpecInit = {}) =>
    shellService(name, command, { reuseScope: ScopeType.EXECUTION_WORKSPACE, ...more });

  async function workspace(issueId: string, services: SpecInit[], title = "Title") {
    const { workspace: made } = await (server as TestServer).client.realizeWorkspace({
      companyId: "company",
      baseCwd: cwd,
      issue: { issueId, identifier: issueId.toUpperCase(), title },
      agent: { agentId: "stored-agent", name: "Stored" },
      runtimeConfig: { services },
    });
    return made?.workspaceId ?? "";
  }
  async function want(
    workspaceId: string,
    desiredState: DesiredState,
    serviceStates: Record<string, DesiredState> = {},
  ) {
    await (server as TestServer).client.updateWorkspace({
      workspace: { workspaceId, desiredState, serviceStates },
      updateMask: { paths: ["desired_state", "service_states"] },
    });
  }

  it("starts what is configured and wanted, of workspaces and project workspaces, and nothing else", async () => {
    const { client } = await first();
    const wanted = await workspace("wanted", [
      own("yes", "exec sleep 620"),
      own("no", "exec sleep 621"),
    ]);
    await want(wanted, RUNNING, { no: STOPPED });
    const named = await workspace("named", [
      own("by-name", "exec sleep 622"),
      own("unsaid", "exec sleep 623"),
    ]);
    await want(named, DesiredState.UNSPECIFIED, { "by-name": RUNNING });
    for (const [issue, state] of [["stopped", STOPPED] as const, ["manual", MANUAL] as const]) {
      await want(await workspace(issue, [own(issue, "exec sleep 624")]), state);
    }
    const archived = await workspace("archived", [own("archived", "exec sleep 625")]);
    await want(archived, RUNNING);
    const review = await workspace("review", [own("review", "exec sleep 626")]);
    await want(review, RUNNING);
    for (const [workspaceId, state] of [
      [archived, WorkspaceState.ARCHIVED] as const,
      [review, WorkspaceState.IN_REVIEW] as const,
    ]) {
      await client.updateWorkspace({
        workspace: { workspaceId, state },
        updateMask: { paths: ["state"] },
      });
    }
    await client.putProjectWorkspace({
      projectWorkspace: {
        projectWorkspaceId: "primary",
        companyId: "company",
        cwd,
        desiredState: RUNNING,
        runtimeConfig: { services: [shellService("of-project", "exec sleep 627")] },
      },
    });
    expect(await living()).toEqual([]);

    await next();
    const names = ["by-name", "of-project", "review", "yes"];
    await eventually(async () => (await facts())?.restarted === names.length, LONG);
    expect(await living()).toEqual(names);
    expect(await facts()).toMatchObject({ failed: 0, failures: [], state: "done" });
  });

  it("renders with the stored issue and agent, and leases nothing", async () => {
    await first();
    const shown = own("shown", 'echo "$SEEN"; exec sleep 628', {
      env: { SEEN: "{{issue.identifier}} {{issue.title}} by {{agent.name}}" },
    });
    await want(await workspace("kept", [shown], "Kept title"), RUNNING);
    const { client } = await next();
    await eventually(async () => (await facts())?.restarted === 1, LONG);
    const { services } = await client.listServices({ serviceNames: ["shown"] });
    expect(services).toMatchObject([
      { leaseRunIds: [], startedByRunId: "", issueId: "kept", ownerAgentId: "stored-agent" },
    ]);
    const { chunks } = await client.readLogs({
      source: { case: "serviceId", value: services[0]?.serviceId ?? "" },
    });
    expect(chunks[0]?.content.value).toBe("KEPT Kept title by Stored\n");
  });

  it("starts the others when one fails or cannot even be planned, and tells why", async () => {
    await first();
    await want(
      await workspace("mixed", [
        own("dies", "echo no luck >&2; exit 7"),
        own("misspelt", "exec sleep 629", { env: { A: "{{porrt}}" } }),
        own("fine", "exec sleep 630"),
      ]),
      RUNNING,
    );
    await want(await workspace("beside", [own("beside", "exec sleep 631")]), RUNNING);
    await next();
    await eventually(async () => {
      const now = await facts();
      return now?.restarted === 2 && now.failed === 2;
    }, LONG);
    expect(await living()).toEqual(["beside", "fine"]);
    const failures = [...((await facts())?.failures ?? [])].sort((a, b) =>
      a.serviceName < b.serviceName ? -1 : 1,
    );
    expect(failures).toMatchObject([
      {
        serviceName: "dies",
        reason: ErrorReason.SERVICE_EXITED_EARLY,
        exit: { code: 7 },
        message: expect.stringContaining("no luck"),
      },
      { serviceName: "misspelt", reason: ErrorReason.INVALID_TEMPLATE },
    ]);
  });

  it("leaves alone what lives: adopted services are no starts", async () => {
    const { client } = await first();
    const workspaceId = await workspace("adopted", [
      own("adopted", "exec sleep 632"),
      own("killed", "exec sleep 633"),
    ]);
    const { services } = await client.startServices({
      target: { case: "workspaceId", value: workspaceId },
    });
    await server?.kill("SIGKILL");
    const [adopted, killed] = services.map(({ providerRef }) => Number(providerRef));
    process.kill(killed ?? 0, "SIGKILL");
    await eventually(() => !isAlive(killed ?? 0));
    server = await startServer({ dataDir: dataDir ?? "" });
    await eventually(async () => (await facts())?.restarted === 1, LONG);
    expect(await facts()).toMatchObject({ adopted: 1, restarted: 1, failed: 0 });
    const { services: now } = await server.client.listServices({
      states: [ServiceState.RUNNING],
    });
    const of = (name: string) => now.find(({ serviceName }) => serviceName === name);
    expect(of("adopted")).toMatchObject({
      serviceId: services[0]?.serviceId,
      providerRef: String(adopted),
    });
    expect(of("killed")?.serviceId).not.toBe(services[1]?.serviceId);
  });

  it("ends its waiting when the server is asked to end, and what it began is the next one's", async () => {
    await first();
    const never = own("never-ready", "exec sleep 634", {
      port: { port: { case: "auto", value: {} } },
      readiness: { timeout: { seconds: 300n, nanos: 0 } },
    });
    for (let n = 0; n < 6; n += 1) await want(await workspace(`slow-${n}`, [never]), RUNNING);
    await next();
    // Four at a time: the others wait for one of these to be ready, which none ever is.
    const begun = await eventually(async () => {
      const now = await processes();
      return now.length === 4 && now;
    }, LONG);
    expect(await facts()).toMatchObject({ restarted: 0, failed: 0 });
    const { client } = await next();
    expect((await facts())?.adopted).toBe(4);
    const { services } = await client.listServices({ pageSize: 500 });
    expect((await processes()).filter((pid) => begun.includes(pid))).toHaveLength(4);
    expect(new Set(services.map(({ workspaceId }) => workspaceId)).size).toBe(services.length);
  });
});
