import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { startServer, type TestServer } from "../support/server.ts";
import { httpService, realizePrimary, shellService } from "../support/workspace.ts";
import { runCli, startCli } from "./run-cli.ts";

describe("the commands that look", { timeout: 120_000 }, () => {
  let server: TestServer;
  let flags: string[];
  beforeAll(async () => {
    server = await startServer();
    flags = ["--data-dir", server.dataDir];
  });
  afterAll(() => server.stop());

  async function realize() {
    const workspace = await realizePrimary(server);
    onTestFinished(() => workspace.remove());
    return workspace;
  }

  it("describe a service that runs: process, port, URL, who holds it, what it last wrote", async () => {
    const { workspaceId, cwd } = await realize();
    const { services } = await server.client.ensureServices({
      runId: "run-7",
      workspaceId,
      services: [httpService("web")],
    });
    const [web] = services;
    const { code, stdout } = await runCli(["describe", "web", ...flags]);
    expect(code).toBe(0);
    expect(stdout).toMatch(new RegExp(`^Service: +web {2}${web?.serviceId}$`, "m"));
    expect(stdout).toMatch(/^State: +running$/m);
    expect(stdout).toMatch(/^Health: +healthy$/m);
    expect(stdout).toMatch(new RegExp(`^Process: +${web?.providerRef}$`, "m"));
    expect(stdout).toMatch(new RegExp(`^Port: +${web?.port}$`, "m"));
    expect(stdout).toContain(web?.url);
    expect(stdout).toContain(cwd);
    expect(stdout).toMatch(/^Leases:\n {2}run run-7, through workspace/m);
    expect(stdout).toMatch(/^Last output:\n {2}listening \d+$/m);
    expect(stdout).not.toContain("Diagnosis");

    const json = JSON.parse((await runCli(["describe", "web", "--json", ...flags])).stdout);
    expect(json.service).toMatchObject({ serviceId: web?.serviceId, url: web?.url });
    expect(json.leases).toMatchObject([{ runId: "run-7" }]);
    expect(json.lastOutput).toMatch(/^listening/);
  });

  it("describe a service that failed: exit, reason and the evidence", async () => {
    const { workspaceId } = await realize();
    const deaf = {
      port: { port: { case: "auto", value: {} } },
      readiness: {
        check: { case: "tcp", value: {} },
        timeout: { seconds: 1n, nanos: 0 },
      },
      stop: { gracePeriod: { seconds: 0n, nanos: 0 } },
    } as const;
    await server.client
      .ensureServices({
        runId: "run-8",
        workspaceId,
        services: [shellService("deaf", "echo waiting; exec sleep 600", deaf)],
      })
      .catch(() => {});
    const { stdout } = await runCli(["describe", "deaf", ...flags]);
    expect(stdout).toMatch(/^State: +failed/m);
    expect(stdout).toMatch(/^Reason: +not ready$/m);
    expect(stdout).toMatch(/^Diagnosis:\n {2}Found: /m);
    expect(stdout).toMatch(/^ {2}Last check: +\S/m);
    expect(stdout).toMatch(/^ {2}Listens on: +no port$/m);
    expect(stdout).toMatch(/^Last output:\n {2}waiting$/m);

    await server.client
      .ensureServices({
        runId: "run-8",
        workspaceId,
        services: [shellService("bad", "echo boom >&2; exit 3")],
      })
      .catch(() => {});
    const bad = await runCli(["describe", "bad", ...flags]);
    expect(bad.stdout).toMatch(/^Exit: +exit code 3, \d+s ago$/m);
    expect(bad.stdout).toContain("boom");
  });

  it("describe a workspace by its directory: services and holders included", async () => {
    const { workspaceId, cwd } = await realize();
    await server.client.ensureServices({
      runId: "run-9",
      workspaceId,
      services: [shellService("worker", "exec sleep 600")],
    });
    const { code, stdout } = await runCli(["describe", cwd, ...flags]);
    expect(code).toBe(0);
    expect(stdout).toMatch(new RegExp(`^Workspace: +${workspaceId}$`, "m"));
    expect(stdout).toMatch(/^Strategy: +project primary$/m);
    expect(stdout).toMatch(/^Services:\n {2}NAME +STATE +URL +ID\n {2}worker +running/m);
    expect(stdout).toMatch(/^Leases:\n {2}run run-9$/m);
    const json = JSON.parse((await runCli(["describe", workspaceId, "--json", ...flags])).stdout);
    expect(json.workspace).toMatchObject({ workspaceId, cwd });
    expect(json.services).toMatchObject([{ serviceName: "worker" }]);
  });

  it("watch: what there is, then each change once, over a restart of the server", async () => {
    const own = await startServer();
    onTestFinished(() => own.stop());
    const workspace = await realizePrimary(own);
    onTestFinished(() => workspace.remove());
    const { workspaceId } = workspace;
    const dataDir = ["--data-dir", own.dataDir];
    const watch = startCli(["watch", "--workspace", workspaceId, ...dataDir]);
    onTestFinished(() => void watch.child.kill("SIGKILL"));
    await watch.says(/^\d\d:\d\d:\d\d {2}workspace .*active/m);

    const start = (client: TestServer["client"], name: string) =>
      client.startServices({
        target: { case: "workspaceId", value: workspaceId },
        services: [shellService(name, "exec sleep 600")],
      });
    await start(own.client, "first");
    await watch.says(/service +first +starting/);
    await watch.says(/service +first +running/);

    await own.kill("SIGKILL");
    const next = await startServer({ dataDir: own.dataDir });
    onTestFinished(() => next.stop());
    await start(next.client, "second");
    await watch.says(/service +second +running/);
    expect(watch.output.stdout.match(/service +first +running/g)).toHaveLength(1);
    expect(watch.output.stderr).toContain("connection lost");
    watch.child.kill("SIGINT");
    expect(await watch.ended).toBe("SIGINT");

    const json = startCli(["watch", "--json", "--kind", "service", ...dataDir]);
    onTestFinished(() => void json.child.kill("SIGKILL"));
    await json.says(/"serviceName":"second"/);
    const kinds = json.output.stdout
      .slice(0, json.output.stdout.lastIndexOf("\n"))
      .split("\n")
      .map((line) => Object.keys(JSON.parse(line)).includes("service"));
    expect(kinds).not.toContain(false);
  });

  it("token prints the token alone on standard output, and where it lies beside it", async () => {
    const { code, stdout, stderr } = await runCli(["token", ...flags]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: `${server.token}\n` });
    expect(stderr).toBe(`(from ${join(server.dataDir, "token")})\n`);
    const json = await runCli(["token", "--json", ...flags]);
    expect(JSON.parse(json.stdout)).toEqual({
      token: server.token,
      from: join(server.dataDir, "token"),
    });
    const set = await runCli(["token"], { WORKSPACE_RUNTIME_TOKEN: "mine" });
    expect(set).toMatchObject({ stdout: "mine\n", stderr: "(from WORKSPACE_RUNTIME_TOKEN)\n" });
  });

  it.each([
    [["describe"], 2, /SERVICE\|WORKSPACE/],
    [["describe", "nobody"], 1, /no service or workspace "nobody".*ps --all.*workspace list --all/],
    [["watch", "--kind", "weather"], 2, /one of service, workspace/],
    [["watch", "--address", "http://127.0.0.1:1", "--data-dir"], 2, /data-dir/],
    [["token", "--data-dir", "/nowhere"], 1, /no token in \/nowhere.*workspace-runtime serve/],
  ])("answer %j with exit code %i", async (args, code, says) => {
    const run = await runCli(args, { WORKSPACE_RUNTIME_DATA_DIR: server.dataDir });
    expect(run.stderr).toMatch(says);
    expect(run.code).toBe(code);
  });
});
