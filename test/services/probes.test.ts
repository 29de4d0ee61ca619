import { rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import {
  HealthStatus,
  type Service,
  ServiceState,
} from "../../gen/workspace/runtime/v1/service_pb.ts";
import { errorDetails } from "../../src/client/index.ts";
import { eventually } from "../support/eventually.ts";
import { startServer, type TestServer } from "../support/server.ts";
import {
  fixtureService,
  realizePrimary,
  type SpecInit,
  shellService,
  type TestWorkspace,
} from "../support/workspace.ts";

const QUICK = { seconds: 0n, nanos: 50_000_000 } as const;
type ProbeInit = NonNullable<SpecInit["readiness"]>;
type CheckInit = ProbeInit["check"];

describe("probes of every kind", () => {
  let server: TestServer;
  let workspace: TestWorkspace;
  beforeAll(async () => {
    server = await startServer({ args: ["--probe-host", "health.example.test"] });
    workspace = await realizePrimary(server);
  });
  afterAll(async () => {
    await server.stop();
    workspace.remove();
  });

  async function ensure(spec: SpecInit, runId = "run"): Promise<Service> {
    const { services } = await server.client.ensureServices({
      runId,
      workspaceId: workspace.workspaceId,
      services: [spec],
    });
    return services[0] as Service;
  }

  async function refused(spec: SpecInit) {
    const error = await ensure(spec).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    const details = errorDetails(error);
    return { details, failure: details?.failures[0] };
  }

  const get = async (serviceId: string) =>
    (await server.client.getService({ serviceId })).service as Service;
  const readiness = (check: CheckInit, more: Partial<ProbeInit> = {}) =>
    ({ readiness: { check, ...more } }) as SpecInit;

  it.each<[string, SpecInit]>([
    [
      "http with a header from a template and a JSON body",
      fixtureService("json", `answer.mjs 200 '{"checks":[{"db":"ok"}],"ready":true}'`, {
        ...readiness({
          case: "http",
          value: {
            urlTemplate: "http://127.0.0.1:{{port}}/",
            headers: { "X-Branch": "{{workspace.branchName}}", "X-Port": "{{port}}" },
            expectJson: { "checks.0.db": "ok", ready: "true" },
          },
        }),
      }),
    ],
    ["tcp", fixtureService("tcp", "late.mjs 100", readiness({ case: "tcp", value: {} }))],
    [
      "exec, in the service's directory and with its variables",
      shellService("exec", "touch up; exec sleep 600", {
        env: { WHO: "me" },
        ...readiness({ case: "exec", value: { command: 'test -e up && test "$WHO" = me' } }),
      }),
    ],
    [
      "log",
      shellService(
        "log",
        "echo starting; sleep 0.2; printf 'server re' >&2; sleep 0.1; echo ady >&2; exec sleep 600",
        readiness({ case: "log", value: { pattern: "^server (re+ady|up)$" } }),
      ),
    ],
    ["grpc", fixtureService("grpc", "grpc-health.mjs 1", readiness({ case: "grpc", value: {} }))],
    [
      "http without a template, by expose's URL",
      fixtureService("exposed", "late.mjs 0", {
        expose: { urlTemplate: "http://localhost:{{port}}/" },
        ...readiness({ case: "http", value: {} }),
      }),
    ],
    [
      "http without a template, by its port when expose's URL is elsewhere",
      fixtureService("public", "answer.mjs 500", {
        expose: { urlTemplate: "https://shop.example.test/" },
        ...readiness({ case: "http", value: {} }),
      }),
    ],
  ])("find a service ready: %s", async (_, spec) => {
    const service = await ensure(spec);
    expect(service).toMatchObject({ state: ServiceState.RUNNING, health: HealthStatus.HEALTHY });
    expect(service.diagnosis).toBeUndefined();
  });

  // Each waits for its whole timeout, which a busy machine needs to come so far.
  it.concurrent.each<[string, SpecInit, string, RegExp]>([
    [
      "another status",
      fixtureService("503", "answer.mjs 503", {
        ...readiness({
          case: "http",
          value: { urlTemplate: "http://127.0.0.1:{{port}}/health?token={{workspace.cwd}}" },
        }),
      }),
      "HTTP_STATUS",
      /^http:\/\/127\.0\.0\.1:\d+\/health answered 503$/,
    ],
    [
      "a body that says otherwise",
      fixtureService("body", `answer.mjs 200 '{"db":"down"}'`, {
        ...readiness({
          case: "http",
          value: { urlTemplate: "http://127.0.0.1:{{port}}/", expectJson: { db: "ok" } },
        }),
      }),
      "HTTP_BODY",
      /db is "down", not "ok"/,
    ],
    [
      "a redirect away",
      fixtureService("away", "answer.mjs 302 - https://login.example.test/in?secret=1", {
        ...readiness({ case: "http", value: { urlTemplate: "http://127.0.0.1:{{port}}/" } }),
      }),
      "HTTP_REDIRECT",
      /redirects to https:\/\/login\.example\.test\/in: probes ask loopback, health\.example\.test only$/,
    ],
    [
      "a command that fails",
      shellService("failing", "exec sleep 600", {
        ...readiness({ case: "exec", value: { command: "echo not yet >&2; exit 7" } }),
      }),
      "EXEC_FAILED",
      /code 7: not yet/,
    ],
    [
      "output without the line",
      shellService("mute", "echo hello; exec sleep 600", {
        ...readiness({ case: "log", value: { pattern: "^ready$" } }),
      }),
      "LOG_PATTERN_NOT_SEEN",
      /\^ready\$/,
    ],
    [
      "a gRPC server that does not serve",
      fixtureService("draining", "grpc-health.mjs 2", readiness({ case: "grpc", value: {} })),
      "GRPC_NOT_SERVING",
      /NOT_SERVING/,
    ],
  ])("say what they found: %s", async (_, spec, reason, error) => {
    const timeout = { seconds: 15n, nanos: 0 };
    const { details, failure } = await refused({
      ...spec,
      readiness: { ...spec.readiness, timeout } as ProbeInit as never,
    });
    expect(details?.reason).toBe("SERVICE_NOT_READY");
    expect(failure?.diagnosis).toMatchObject({
      reason,
      lastProbeError: expect.stringMatching(error),
    });
    const row = await get(failure?.serviceId ?? "");
    expect(row).toMatchObject({ state: ServiceState.FAILED, providerRef: "" });
    expect(row.diagnosis).toEqual(failure?.diagnosis);
  });

  it("find a program that ignores its port, and say where it listens", async () => {
    const { failure } = await refused(
      fixtureService("stubborn", "elsewhere.mjs", {
        readiness: { timeout: { seconds: 10n, nanos: 0 } } as never,
      }),
    );
    const { diagnosis, message } = failure ?? {};
    const port = Number(/on (\d+)/.exec(diagnosis?.outputTail ?? "")?.[1]);
    expect(diagnosis).toMatchObject({ reason: "PORT_CLOSED", listeningPorts: [port] });
    expect(diagnosis?.portOwnerPid).toBeUndefined();
    expect(message).toContain(`it listens on ${port}, not on`);
  });

  it.each<[string, SpecInit, string]>([
    [
      "a URL elsewhere",
      readiness({ case: "http", value: { urlTemplate: "http://169.254.169.254/latest" } }),
      "services[0].readiness.http.url_template",
    ],
    [
      "a URL that is none",
      readiness({ case: "http", value: { urlTemplate: "localhost:{{port}}" } }),
      "services[0].readiness.http.url_template",
    ],
    [
      "a pattern that is none",
      readiness({ case: "log", value: { pattern: "(" } }),
      "services[0].readiness.log.pattern",
    ],
    [
      "liveness by output",
      { liveness: { check: { case: "log", value: { pattern: "ready" } } } } as SpecInit,
      "services[0].liveness.log",
    ],
    [
      "a header with an unknown variable",
      readiness({ case: "http", value: { headers: { "X-Name": "{{nobody}}" } } }),
      'services[0].readiness.http.headers["X-Name"]',
    ],
  ])("are refused before anything starts: %s", async (_, part, field) => {
    const { details } = await refused(fixtureService("never", "late.mjs 0", part));
    expect(details?.violations).toMatchObject([{ field }]);
    const { services } = await server.client.listServices({ serviceNames: ["never"] });
    expect(services).toEqual([]);
  });

  it.each<[string, CheckInit]>([
    ["http", { case: "http", value: { urlTemplate: "http://127.0.0.1:{{port}}/" } }],
    ["exec", { case: "exec", value: { command: "test ! -e sick-exec" } }],
  ])(
    "mark a running service unhealthy with what they found, and healthy again: %s",
    async (kind, check) => {
      const sick = join(workspace.cwd, `sick-${kind}`);
      const service = await ensure(
        fixtureService(`live-${kind}`, `ill.mjs sick-${kind}`, {
          liveness: { check, interval: QUICK, failureThreshold: 2 } as never,
        }),
      );
      writeFileSync(sick, "");
      const ill = await eventually(
        async () => {
          const row = await get(service.serviceId);
          return row.health === HealthStatus.UNHEALTHY && row;
        },
        { timeoutMs: 30_000 },
      );
      expect(ill).toMatchObject({
        state: ServiceState.RUNNING,
        diagnosis: { reason: kind === "http" ? "HTTP_STATUS" : "EXEC_FAILED" },
      });
      expect(ill.diagnosis?.listeningPorts).toEqual([service.port]);
      rmSync(sick);
      await eventually(
        async () => {
          const row = await get(service.serviceId);
          return row.health === HealthStatus.HEALTHY && row.diagnosis === undefined;
        },
        { timeoutMs: 30_000 },
      );
    },
  );

  it("join an unhealthy service that another run needs, and say so on its row", async () => {
    const spec = fixtureService("shared", "ill.mjs sick-shared", {
      ...readiness({ case: "http", value: { urlTemplate: "http://127.0.0.1:{{port}}/" } }),
    });
    const first = await ensure(spec, "first");
    const sick = join(workspace.cwd, "sick-shared");
    writeFileSync(sick, "");
    onTestFinished(() => rmSync(sick, { force: true }));
    // A good answer of the last 2 s counts, so it is joined as healthy until then.
    const joined = await eventually(
      async () => {
        const service = await ensure(spec, "second");
        return service.health === HealthStatus.UNHEALTHY && service;
      },
      { timeoutMs: 30_000, intervalMs: 100 },
    );
    expect(joined).toMatchObject({
      serviceId: first.serviceId,
      reused: true,
      state: ServiceState.RUNNING,
      diagnosis: { reason: "HTTP_STATUS" },
    });
    expect([...joined.leaseRunIds].sort()).toEqual(["first", "second"]);
  });

  it("name the process that answers in the service's stead", async () => {
    const foreign = createServer((_, response) => response.end());
    await new Promise<void>((resolve) => foreign.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void foreign.close());
    const { port } = foreign.address() as AddressInfo;
    const { failure } = await refused(
      shellService("instead", "exec sleep 600", {
        ...readiness(
          { case: "tcp", value: { port } },
          { timeout: { seconds: 2n, nanos: 0 } as never },
        ),
      }),
    );
    expect(failure?.diagnosis).toMatchObject({
      reason: "FOREIGN_LISTENER",
      portOwnerPid: process.pid,
      lastProbeError: expect.stringContaining("listener: ANY"),
    });
  });
});
