import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  DesiredState,
  ScopeType,
  ServiceState,
  StateReason,
} from "../../gen/workspace/runtime/v1/service_pb.ts";
import { errorDetails } from "../../src/client/index.ts";
import { eventually } from "../support/eventually.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { realizePrimary, type SpecInit, shellService } from "../support/workspace.ts";

const { RUNNING, STOPPED, MANUAL, UNSPECIFIED } = DesiredState;
const OWN = { reuseScope: ScopeType.EXECUTION_WORKSPACE };

describe("the desired state", { timeout: 120_000 }, () => {
  let server: TestServer;
  const removals: (() => void)[] = [];
  beforeAll(async () => {
    server = await startServer();
  });
  afterAll(async () => {
    await server.stop();
    for (const remove of removals) remove();
  });

  /** A workspace (or, with `asProject`, a project workspace) with these services configured. */
  async function home(services: SpecInit[], asProject?: string) {
    const workspace = await realizePrimary(server);
    removals.push(workspace.remove);
    const { workspaceId, cwd } = workspace;
    if (asProject !== undefined) {
      await server.client.putProjectWorkspace({
        projectWorkspace: {
          projectWorkspaceId: asProject,
          companyId: "company",
          cwd,
          runtimeConfig: { services },
        },
      });
      return { case: "projectWorkspaceId" as const, value: asProject };
    }
    await server.client.realizeWorkspace({ workspaceId, runtimeConfig: { services } });
    return { case: "workspaceId" as const, value: workspaceId };
  }
  type Target = Awaited<ReturnType<typeof home>>;

  async function desired(target: Target) {
    const row =
      target.case === "workspaceId"
        ? (await server.client.getWorkspace({ workspaceId: target.value })).workspace
        : (await server.client.getProjectWorkspace({ projectWorkspaceId: target.value }))
            .projectWorkspace;
    return [row?.desiredState, row?.serviceStates];
  }
  const stateOf = async (serviceId = "") =>
    (await server.client.getService({ serviceId })).service?.state;
  const reasonOf = (call: Promise<unknown>) =>
    call.then(
      () => undefined,
      (error: unknown) => errorDetails(error)?.reason,
    );

  describe.each(["workspace", "project workspace"])("of a %s", (kind) => {
    const project = (id: string) => (kind === "workspace" ? undefined : `${id}-project`);

    it("follows control: the whole sets its own, names only theirs, services brought along nothing", async () => {
      const target = await home(
        [shellService("web", "exec sleep 600"), shellService("worker", "exec sleep 601")],
        project("follows"),
      );
      expect(await desired(target)).toEqual([UNSPECIFIED, {}]);
      await server.client.startServices({
        target,
        services: [shellService("guest", "exec sleep 602")],
      });
      expect(await desired(target)).toEqual([UNSPECIFIED, {}]);
      await server.client.startServices({ target, serviceNames: ["web"] });
      expect(await desired(target)).toEqual([UNSPECIFIED, { web: RUNNING }]);
      await server.client.startServices({ target });
      expect(await desired(target)).toEqual([RUNNING, { web: RUNNING }]);
      await server.client.stopServices({ target, serviceNames: ["web"] });
      expect(await desired(target)).toEqual([RUNNING, { web: STOPPED }]);
      await server.client.stopServices({ target });
      expect(await desired(target)).toEqual([STOPPED, { web: STOPPED }]);
    });

    it("is not RUNNING when one of the whole did not start", async () => {
      const target = await home(
        [
          shellService("good", "exec sleep 603"),
          shellService("bad", "exit 3", { allowFailure: true }),
        ],
        project("fails"),
      );
      const { failures } = await server.client.startServices({ target });
      expect(failures).toMatchObject([{ serviceName: "bad" }]);
      expect(await desired(target)).toEqual([UNSPECIFIED, {}]);
    });

    it("becomes RUNNING behind a call that does not wait, once all are up", async () => {
      const target = await home([shellService("later", "exec sleep 604")], project("later"));
      await server.client.startServices({ target, noWait: true });
      await eventually(async () => (await desired(target))[0] === RUNNING, { timeoutMs: 20_000 });
    });
  });

  it("is STOPPED before the first signal: also where what was asked for could not be stopped", async () => {
    const target = await home([shellService("held", "exec sleep 605", OWN)]);
    await server.client.startServices({ target });
    await server.client.ensureServices({
      runId: "holder",
      workspaceId: target.value,
      fromConfig: true,
    });
    expect(await reasonOf(server.client.stopServices({ target }))).toBe("SERVICE_LEASED");
    expect(await desired(target)).toEqual([STOPPED, {}]);
    await server.client.releaseRun({ runId: "holder" });
  });

  it("is not overwritten by a start that a stop overtook", async () => {
    const slow = shellService("slow", "exec sleep 606", {
      ...OWN,
      port: { port: { case: "auto", value: {} } },
      readiness: { timeout: { seconds: 60n, nanos: 0 } },
    });
    const target = await home([slow]);
    const starting = reasonOf(server.client.startServices({ target }));
    await eventually(
      async () =>
        (await server.client.listServices({ workspaceIds: [target.value] })).services.length === 1,
      { timeoutMs: 20_000 },
    );
    await server.client.stopServices({ target });
    expect(await starting).toBe("SERVICE_STOPPED");
    expect(await desired(target)).toEqual([STOPPED, {}]);
  });

  it("keeps what is stored when it is written as UNSPECIFIED", async () => {
    const target = await home([]);
    const update = (desiredState: DesiredState) =>
      server.client.updateWorkspace({
        workspace: { workspaceId: target.value, desiredState },
        updateMask: { paths: ["desired_state"] },
      });
    await update(MANUAL);
    await update(UNSPECIFIED);
    expect(await desired(target)).toEqual([MANUAL, {}]);

    const project = await home([], "kept");
    const { projectWorkspace } = await server.client.getProjectWorkspace({
      projectWorkspaceId: "kept",
    });
    const put = (desiredState: DesiredState) =>
      server.client.putProjectWorkspace({
        projectWorkspace: {
          projectWorkspaceId: "kept",
          companyId: "company",
          cwd: projectWorkspace?.cwd ?? "",
          desiredState,
        },
      });
    await put(RUNNING);
    await put(UNSPECIFIED);
    expect(await desired(project)).toEqual([RUNNING, {}]);
  });

  it("RUNNING holds a service that release and idle time would stop, by its name or its project too", async () => {
    const finishing = { stopPolicy: { policy: { case: "onRunFinish" as const, value: {} } } };
    const idling = {
      stopPolicy: {
        policy: {
          case: "idleTimeout" as const,
          value: { idle: { seconds: 0n, nanos: 200_000_000 } },
        },
      },
    };
    const services = [
      shellService("kept", "exec sleep 607", { ...OWN, ...finishing }),
      shellService("loose", "exec sleep 608", { ...OWN, ...finishing }),
      shellService("awake", "exec sleep 609", { ...OWN, ...idling }),
      shellService("asleep", "exec sleep 610", { ...OWN, ...idling }),
    ];
    const target = await home(services);
    await server.client.startServices({ target, serviceNames: ["kept", "awake"] });
    const { services: ensured } = await server.client.ensureServices({
      runId: "leaving",
      workspaceId: target.value,
      fromConfig: true,
    });
    const { stopped } = await server.client.releaseRun({ runId: "leaving" });
    const [kept, loose, awake, asleep] = ensured.map(({ serviceId }) => serviceId);
    expect(stopped.map(({ serviceId }) => serviceId)).toEqual([loose]);
    await eventually(async () => (await stateOf(asleep)) === ServiceState.STOPPED, {
      timeoutMs: 30_000,
    });
    expect([await stateOf(kept), await stateOf(awake)]).toEqual([
      ServiceState.RUNNING,
      ServiceState.RUNNING,
    ]);

    const shared = shellService("shared", "exec sleep 611", finishing);
    const project = await home([shared], "holding");
    await server.client.startServices({ target: project });
    const { projectWorkspace } = await server.client.getProjectWorkspace({
      projectWorkspaceId: "holding",
    });
    const { workspace } = await server.client.realizeWorkspace({
      companyId: "company",
      projectWorkspaceId: "holding",
      baseCwd: projectWorkspace?.cwd ?? "",
      issue: { issueId: "held", identifier: "H-1", title: "Held" },
      agent: { name: "Agent" },
    });
    const joined = await server.client.ensureServices({
      runId: "guest",
      workspaceId: workspace?.workspaceId ?? "",
      services: [shared],
    });
    expect(joined.services).toMatchObject([{ reused: true }]);
    expect((await server.client.releaseRun({ runId: "guest" })).stopped).toEqual([]);
    expect(await stateOf(joined.services[0]?.serviceId)).toBe(ServiceState.RUNNING);

    await server.client.ensureServices({
      runId: "guest",
      workspaceId: workspace?.workspaceId ?? "",
      services: [shared],
    });
    await server.client.putProjectWorkspace({
      projectWorkspace: {
        projectWorkspaceId: "holding",
        companyId: "company",
        cwd: projectWorkspace?.cwd ?? "",
        desiredState: STOPPED,
      },
    });
    const { released } = await server.client.releaseRun({ runId: "guest" });
    expect(released).toMatchObject([
      { state: ServiceState.STOPPED, stateReason: StateReason.LEASES_ENDED },
    ]);
  });

  it("MANUAL leaves it to people to start: a run from the configuration joins, by the whole and by name", async () => {
    const target = await home([
      shellService("web", "exec sleep 612", OWN),
      shellService("db", "exec sleep 613", OWN),
      shellService("auto", "exec sleep 614", OWN),
    ]);
    await server.client.updateWorkspace({
      workspace: {
        workspaceId: target.value,
        desiredState: MANUAL,
        serviceStates: { auto: STOPPED },
      },
      updateMask: { paths: ["desired_state", "service_states"] },
    });
    const ensure = async (runId: string, more: object = { fromConfig: true }) => {
      const answer = await server.client.ensureServices({
        runId,
        workspaceId: target.value,
        ...more,
      });
      expect(answer.failures).toEqual([]);
      return answer.services.map(({ serviceName, reused, leaseRunIds }) => [
        serviceName,
        reused,
        leaseRunIds,
      ]);
    };
    expect(await ensure("m-1")).toEqual([["auto", false, ["m-1"]]]);
    await server.client.startServices({ target, serviceNames: ["db"] });
    await server.client.updateWorkspace({
      workspace: { workspaceId: target.value, serviceStates: { db: MANUAL } },
      updateMask: { paths: ["service_states"] },
    });
    expect(await ensure("m-2", { fromConfig: true, serviceNames: ["db", "web"] })).toEqual([
      ["db", true, ["m-2"]],
    ]);
    const brought = { services: [shellService("web", "exec sleep 612", OWN)] };
    expect(await ensure("m-3", brought)).toEqual([["web", false, ["m-3"]]]);
  });
});
