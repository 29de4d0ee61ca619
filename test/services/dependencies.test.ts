import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { DependencyCondition, ServiceState } from "../../gen/workspace/runtime/v1/service_pb.ts";
import { errorDetails } from "../../src/client/index.ts";
import { isRuntimeError } from "../../src/errors.ts";
import type { ServiceSpec } from "../../src/model/service-spec.ts";
import { createDependencyWaits, type Joining } from "../../src/services/await-dependencies.ts";
import { checkDependencies, withDependencies } from "../../src/services/dependencies.ts";
import type { ServiceLife } from "../../src/services/life.ts";
import type { ServicePlan } from "../../src/services/plan.ts";
import { eventually } from "../support/eventually.ts";
import { startServer, type TestServer } from "../support/server.ts";
import {
  httpService,
  realizePrimary,
  type SpecInit,
  shellService,
  type TestWorkspace,
} from "../support/workspace.ts";

function needing(name: string, ...names: string[]): ServiceSpec {
  return { name, dependsOn: names.map((one) => ({ name: one, condition: "READY" })) };
}

describe("dependencies of a call's services", () => {
  function refusal(...specs: ServiceSpec[]) {
    try {
      checkDependencies(specs, "services");
      return undefined;
    } catch (error) {
      if (!isRuntimeError(error)) throw error;
      return { reason: error.reason, message: error.message, violations: error.violations };
    }
  }

  it("are services of the same call", () => {
    expect(refusal(needing("a", "b"), needing("b"))).toBeUndefined();
    expect(refusal(needing("a", "b", "c", "d"), needing("b"))).toMatchObject({
      reason: "INVALID_FIELD",
      violations: [
        { field: "services[0].depends_on[1].name" },
        { field: "services[0].depends_on[2].name" },
      ],
    });
  });

  it.each([
    ["one on itself", [needing("a", "a")], "a -> a"],
    ["two", [needing("x"), needing("a", "x", "b"), needing("b", "a")], "a -> b -> a"],
    [
      "three behind a tail",
      [needing("t", "a"), needing("a", "b"), needing("b", "c"), needing("c", "a")],
      "a -> b -> c -> a",
    ],
  ])("make no circle: %s", (_, specs, way) => {
    expect(refusal(...specs)).toMatchObject({
      reason: "DEPENDENCY_CYCLE",
      message: expect.stringContaining(way),
    });
  });

  it("may meet again: a diamond is no circle, and a deep one is walked once", () => {
    const layers = Array.from({ length: 40 }, (_, layer) => [
      needing(`a${layer}`, ...(layer > 0 ? [`a${layer - 1}`, `b${layer - 1}`] : [])),
      needing(`b${layer}`, ...(layer > 0 ? [`a${layer - 1}`, `b${layer - 1}`] : [])),
    ]).flat();
    expect(refusal(...layers)).toBeUndefined();
    expect(withDependencies(layers, ["a39"])).toHaveLength(79);
  });

  it("come along with what is named, however far", () => {
    const specs = [needing("db"), needing("api", "db"), needing("web", "api"), needing("docs")];
    const names = (...asked: string[]) => withDependencies(specs, asked).map(({ name }) => name);
    expect(names("web")).toEqual(["db", "api", "web"]);
    expect(names("docs")).toEqual(["docs"]);
  });
});

describe("waits that two calls make", () => {
  const plan = (name: string, ...names: string[]) =>
    ({ name, spec: needing(name, ...names) }) as unknown as ServicePlan;
  const endless = () => ({ started: () => new Promise(() => {}) }) as unknown as ServiceLife;
  const joining = (name: string, life: ServiceLife): Joining =>
    new Map([[name, Promise.resolve({ life, reused: true })]]);
  const { signal } = new AbortController();

  it("in a circle that neither of them has are told, not waited out", async () => {
    const waits = createDependencyWaits();
    const [egg, chicken, farmer] = [endless(), endless(), endless()];
    const stop = new AbortController();
    const first = waits.wait(plan("egg", "chicken"), egg, joining("chicken", chicken), stop.signal);
    const second = waits.wait(
      plan("chicken", "farmer"),
      chicken,
      joining("farmer", farmer),
      stop.signal,
    );
    await expect(
      waits.wait(plan("farmer", "egg"), farmer, joining("egg", egg), signal),
    ).rejects.toMatchObject({
      reason: "DEPENDENCY_FAILED",
      message: expect.stringContaining("waits for this one itself"),
    });
    stop.abort(new Error("stopped"));
    await expect(first).rejects.toThrow("stopped");
    await expect(second).rejects.toThrow("stopped");
    const ready = { started: async () => ({ ok: true }) } as unknown as ServiceLife;
    await waits.wait(plan("farmer", "egg"), farmer, joining("egg", ready), signal);
  });
});

describe("a server that is killed while a service waits for another", () => {
  it("leaves a row without a process, which the next one buries", async () => {
    const dataDir = mkdtempSync(join(tmpdir(), "wsrt-waiting-"));
    onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }));
    const first = await startServer({ dataDir });
    const workspace = await realizePrimary(first);
    onTestFinished(() => workspace.remove());
    await first.client.ensureServices({
      runId: "run",
      workspaceId: workspace.workspaceId,
      services: [
        shellService("waiting", "touch ran; exec sleep 600", {
          dependsOn: [{ name: "slow", condition: DependencyCondition.READY }],
        }),
        httpService("slow", { process: { case: "command", value: "exec sleep 600" } }),
      ],
      noWait: true,
    });
    await first.kill("SIGKILL");
    const next = await startServer({ dataDir });
    onTestFinished(() => next.stop());
    const { services } = await next.client.listServices({ serviceNames: ["waiting"] });
    expect(services).toMatchObject([{ state: ServiceState.FAILED, providerRef: "" }]);
    expect(services[0]?.stateMessage).toContain("before the command was started");
    expect(existsSync(join(workspace.cwd, "ran"))).toBe(false);
  });
});

describe("wanted services that depend on others, at the boot", () => {
  it("start after them; what nobody wants is not started, and its dependents fail", async () => {
    const dataDir = mkdtempSync(join(tmpdir(), "wsrt-boot-"));
    onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }));
    const first = await startServer({ dataDir, args: ["--stop-services-on-exit"] });
    const workspace = await realizePrimary(first);
    onTestFinished(() => workspace.remove());
    const dependent = (name: string): SpecInit => ({
      dependsOn: [{ name, condition: DependencyCondition.READY }],
    });
    await first.client.realizeWorkspace({
      workspaceId: workspace.workspaceId,
      runtimeConfig: {
        services: [
          shellService("web", "exec sleep 600", dependent("db")),
          shellService("db", "exec sleep 600"),
          shellService("shop", "exec sleep 600", dependent("off")),
          shellService("off", "exec sleep 600"),
        ],
      },
    });
    const target = { case: "workspaceId" as const, value: workspace.workspaceId };
    await first.client.startServices({ target });
    await first.client.stopServices({ target, serviceNames: ["off"] });
    await first.kill("SIGTERM");

    const next = await startServer({ dataDir });
    onTestFinished(() => next.stop());
    const reconcile = await eventually(
      async () => {
        const { reconcile: found } = await next.client.getRuntimeInfo({});
        return found !== undefined && found.restarted + found.failed === 3 && found;
      },
      { timeoutMs: 60_000 },
    );
    expect(reconcile).toMatchObject({
      restarted: 2,
      failures: [{ serviceName: "shop", message: expect.stringContaining("depends on off") }],
    });
    const { services } = await next.client.listServices({ states: [ServiceState.RUNNING] });
    expect(services.map(({ serviceName }) => serviceName).sort()).toEqual(["db", "web"]);
  });
});

describe("services that depend on others", () => {
  let server: TestServer;
  let workspace: TestWorkspace;
  beforeAll(async () => {
    server = await startServer();
    workspace = await realizePrimary(server);
  });
  afterAll(async () => {
    await server.stop();
    workspace.remove();
  });

  let runs = 0;
  const ensure = (services: SpecInit[], more: { noWait?: boolean; runId?: string } = {}) => {
    runs += 1;
    return server.client
      .ensureServices({
        runId: `run-${runs}`,
        workspaceId: workspace.workspaceId,
        services,
        ...more,
      })
      .then(
        (answer) => ({ ...answer, error: undefined }),
        (reason: unknown) => ({ services: [], failures: [], error: errorDetails(reason) }),
      );
  };
  const on = (...names: string[]): SpecInit => ({
    dependsOn: names.map((name) => ({ name, condition: DependencyCondition.READY })),
  });
  const place = (name: string) => join(workspace.cwd, name);
  const rows = async (...serviceNames: string[]) =>
    (await server.client.listServices({ serviceNames, workspaceIds: [workspace.workspaceId] }))
      .services;

  it("start after what they depend on is ready, and the rest at once", async () => {
    const slow = httpService("slow", {
      process: {
        case: "command",
        value: `until [ -e go ]; do sleep 0.02; done; echo up >order; ${command(httpService("x"))}`,
      },
    });
    const call = ensure([
      shellService("last", "echo last >>order; exec sleep 600", on("middle")),
      shellService("middle", "echo middle >>order; exec sleep 600", on("slow")),
      shellService("free", "touch free; exec sleep 600"),
      slow,
    ]);
    await eventually(() => existsSync(place("free")), { timeoutMs: 30_000 });
    const waiting = await eventually(async () => {
      const found = await rows("last", "middle");
      return found.length === 2 && found;
    });
    for (const { state, providerRef } of waiting) {
      expect({ state, providerRef }).toEqual({ state: ServiceState.STARTING, providerRef: "" });
    }
    expect(existsSync(place("order"))).toBe(false);
    writeFileSync(place("go"), "");
    const { services, error } = await call;
    expect(error).toBeUndefined();
    expect(services.map(({ serviceName, state }) => [serviceName, state])).toEqual(
      ["last", "middle", "free", "slow"].map((name) => [name, ServiceState.RUNNING]),
    );
    const [last, middle, ready] = await Promise.all(
      ["last", "middle", "slow"].map(async (name) => (await rows(name))[0]),
    );
    const ms = (time: { seconds: bigint; nanos: number } | undefined) =>
      Number(time?.seconds ?? 0n) * 1000 + (time?.nanos ?? 0) / 1e6;
    expect(ms(middle?.startTime)).toBeGreaterThanOrEqual(ms(ready?.readyTime));
    expect(ms(last?.startTime)).toBeGreaterThanOrEqual(ms(middle?.readyTime));
  });

  it("need only its process where the condition is STARTED", async () => {
    const { services, error } = await ensure([
      shellService("eager", "until [ -e never-mind ]; do sleep 0.02; done", {
        port: { port: { case: "auto", value: {} } },
        readiness: { timeout: { seconds: 60n, nanos: 0 } },
        process: {
          case: "command",
          value: `until [ -e eager-go ]; do sleep 0.02; done; ${command(httpService("x"))}`,
        },
      }),
      shellService("follower", "touch eager-go; exec sleep 600", {
        dependsOn: [{ name: "eager", condition: DependencyCondition.STARTED }],
      }),
    ]);
    expect(error).toBeUndefined();
    expect(services).toHaveLength(2);
  });

  it("fail with it and are not started, each judged by its own allow_failure", async () => {
    const { error } = await ensure([
      shellService("child", "touch child-ran; exec sleep 600", on("broken")),
      shellService("broken", "echo no database >&2; exit 3", { allowFailure: true }),
    ]);
    expect(error).toMatchObject({
      reason: "SERVICE_EXITED_EARLY",
      failures: [
        { serviceName: "child", message: expect.stringContaining("broken exited with code 3") },
        { serviceName: "broken" },
      ],
    });
    const { services, failures } = await ensure([
      shellService("child", "touch child-ran; exec sleep 600", {
        ...on("broken"),
        allowFailure: true,
      }),
      shellService("grandchild", "touch child-ran", { ...on("child"), allowFailure: true }),
      shellService("broken", "exit 3", { allowFailure: true }),
      shellService("well", "exec sleep 600"),
    ]);
    expect(services.map(({ serviceName }) => serviceName)).toEqual(["well"]);
    expect(failures.map(({ serviceName }) => serviceName).sort()).toEqual([
      "broken",
      "child",
      "grandchild",
    ]);
    expect(existsSync(place("child-ran"))).toBe(false);
    for (const { state } of await rows("child")) expect(state).toBe(ServiceState.FAILED);
  });

  it("are answered at once without waiting, all with a row, and come up in the background", async () => {
    const gate = "no-wait-go";
    const { services } = await ensure(
      [
        shellService("behind", "exec sleep 600", on("gate")),
        httpService("gate", {
          process: {
            case: "command",
            value: `until [ -e ${gate} ]; do sleep 0.02; done; ${command(httpService("x"))}`,
          },
        }),
      ],
      { noWait: true },
    );
    expect(services.map(({ state }) => state)).toEqual([
      ServiceState.STARTING,
      ServiceState.STARTING,
    ]);
    writeFileSync(place(gate), "");
    await eventually(async () => (await rows("behind"))[0]?.state === ServiceState.RUNNING, {
      timeoutMs: 30_000,
    });
  });

  it("stop at once while they wait, and their callers are told", async () => {
    const call = ensure([
      shellService("patient", "exec sleep 600", on("never")),
      httpService("never", {
        process: { case: "command", value: "exec sleep 600" },
        allowFailure: true,
      }),
    ]);
    const [waiting] = await eventually(async () => {
      const found = await rows("patient");
      return found.length === 1 && found;
    });
    const { stopped } = await server.client.stopServices({
      target: { case: "serviceId", value: waiting?.serviceId ?? "" },
      force: true,
    });
    expect(stopped).toMatchObject([{ processesEnded: 0, signals: [] }]);
    expect((await rows("patient"))[0]).toMatchObject({ state: ServiceState.STOPPED });
    const never = (await rows("never"))[0]?.serviceId ?? "";
    await server.client.stopServices({ target: { case: "serviceId", value: never }, force: true });
    expect((await call).error?.reason).toBe("SERVICE_STOPPED");
  });

  it("come along with a configured service that is named, for runs and for control", async () => {
    await server.client.realizeWorkspace({
      workspaceId: workspace.workspaceId,
      runtimeConfig: {
        services: [
          shellService("store", "exec sleep 600"),
          shellService("shop", "exec sleep 600", on("store")),
          shellService("blog", "exec sleep 600"),
        ],
      },
    });
    const { services } = await server.client.startServices({
      target: { case: "workspaceId", value: workspace.workspaceId },
      serviceNames: ["shop"],
    });
    expect(services.map(({ serviceName }) => serviceName)).toEqual(["store", "shop"]);
    const joined = await server.client.ensureServices({
      runId: "of-config",
      workspaceId: workspace.workspaceId,
      fromConfig: true,
      serviceNames: ["shop"],
    });
    expect(joined.services.map(({ serviceName, reused }) => [serviceName, reused])).toEqual([
      ["store", true],
      ["shop", true],
    ]);
  });

  it("are refused before anything is done when one does not exist", async () => {
    const { error } = await ensure([shellService("lonely", "exec sleep 600", on("nobody"))]);
    expect(error?.violations).toMatchObject([{ field: "services[0].depends_on[0].name" }]);
    expect(await rows("lonely")).toEqual([]);
  });
});

function command(spec: SpecInit): string {
  if (spec.process?.case !== "command") throw new Error("no command");
  return spec.process.value;
}
