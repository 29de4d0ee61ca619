import { durationMs } from "@bufbuild/protobuf/wkt";
import { describe, expect, it } from "vitest";
import {
  ConfigFileError,
  convertConfig,
  DesiredState,
  Lifecycle,
  ScopeType,
} from "../../src/client/index.ts";

const service = (fields: object) => ({ workspaceRuntime: { services: [fields] } });
const shell = (name: string) => `$\{${name}}`;
const convertService = (fields: object) => convertConfig(service({ command: "x", ...fields }));

function problemsOf(json: unknown): string[] {
  try {
    convertConfig(json);
  } catch (error) {
    if (error instanceof ConfigFileError) return error.problems.map(({ path }) => path);
    throw error;
  }
  return [];
}

describe("convertConfig", () => {
  it("converts the whole configuration that callers write today, without a warning", () => {
    const converted = convertConfig({
      workspaceStrategy: {
        type: "git_worktree",
        baseRef: "origin/main",
        branchTemplate: "{{issue.identifier}}",
        worktreeParentDir: "../trees",
        provisionCommand: "pnpm i",
        teardownCommand: "t",
        cleanupCommand: "c",
      },
      workspaceRuntime: {
        services: [
          {
            name: "web",
            description: "the site",
            command: "pnpm dev",
            cwd: ".",
            env: { A: "{{workspace.cwd}}" },
            port: { type: "auto", envKey: "PORT" },
            readiness: {
              type: "http",
              urlTemplate: "http://127.0.0.1:{{port}}/health",
              timeoutSec: 30,
              intervalMs: 500,
            },
            expose: { type: "url", urlTemplate: "http://127.0.0.1:{{port}}" },
            lifecycle: "shared",
            reuseScope: "execution_workspace",
            stopPolicy: { type: "idle_timeout", idleSeconds: 1800 },
          },
        ],
      },
      desiredState: "manual",
    });
    expect(converted.warnings).toEqual([]);
    expect(converted.desiredState).toBe(DesiredState.MANUAL);
    expect(converted.strategy).toMatchObject({
      case: "gitWorktree",
      value: {
        baseRef: "origin/main",
        branchTemplate: "{{issue.identifier}}",
        worktreeParentDir: "../trees",
        provisionCommand: "pnpm i",
        teardownCommand: "t",
        cleanupCommand: "c",
      },
    });
    const [spec] = converted.services;
    expect(spec).toMatchObject({
      name: "web",
      process: { case: "command", value: "pnpm dev" },
      cwd: ".",
      env: { A: "{{workspace.cwd}}" },
      port: { port: { case: "auto" }, envKey: "PORT" },
      expose: { urlTemplate: "http://127.0.0.1:{{port}}" },
      lifecycle: Lifecycle.SHARED,
      reuseScope: ScopeType.EXECUTION_WORKSPACE,
      repairWorkspaceLinks: true,
    });
    expect(spec?.readiness?.check).toMatchObject({
      case: "http",
      value: { urlTemplate: "http://127.0.0.1:{{port}}/health" },
    });
    expect(spec?.readiness?.timeout && durationMs(spec.readiness.timeout)).toBe(30_000);
    expect(spec?.readiness?.interval && durationMs(spec.readiness.interval)).toBe(500);
    const policy = spec?.stopPolicy?.policy;
    expect(policy?.case === "idleTimeout" && policy.value.idle?.seconds).toBe(1800n);
  });

  it("takes an empty configuration for one that says nothing", () => {
    expect(convertConfig({})).toEqual({
      strategy: { case: undefined },
      services: [],
      desiredState: DesiredState.UNSPECIFIED,
      warnings: [],
    });
  });

  it.each([
    [3100, { case: "value", value: 3100 }],
    [
      { type: "fixed", value: 3100 },
      { case: "value", value: 3100 },
    ],
    [{ type: "auto" }, { case: "auto" }],
    [{}, { case: "auto" }],
  ])("reads the port %j", (port, expected) => {
    expect(convertService({ port }).services[0]?.port?.port).toMatchObject(expected);
  });

  it.each([
    [{ port: "3100" }, "port"],
    [{ port: 0 }, "port"],
    [{ port: 65536 }, "port"],
    [{ port: 80.5 }, "port"],
    [{ port: { type: "auto", value: 3100 } }, "port.value"],
    [{ port: { type: "fixed" } }, "port.value"],
    [{ port: { type: "fixed", value: "3100" } }, "port.value"],
    [{ port: { type: "random" } }, "port.type"],
    [{ name: 7 }, "name"],
    [{ description: 7 }, "description"],
    [{ kind: "cron" }, "kind"],
    [{ command: "" }, "command"],
    [{ command: ["a"] }, "command"],
    [{ cwd: true }, "cwd"],
    [{ env: [] }, "env"],
    [{ env: { A: 1 } }, "env.A"],
    [{ readiness: { type: "smoke" } }, "readiness.type"],
    [{ readiness: { type: "http", timeoutSec: "30" } }, "readiness.timeoutSec"],
    [{ readiness: { type: "http", intervalMs: 0 } }, "readiness.intervalMs"],
    [{ lifecycle: "forever" }, "lifecycle"],
    [{ reuseScope: "world" }, "reuseScope"],
    [{ stopPolicy: "manual" }, "stopPolicy"],
    [{ stopPolicy: {} }, "stopPolicy.type"],
    [{ stopPolicy: { type: "idle_timeout", idleSeconds: -1 } }, "stopPolicy.idleSeconds"],
  ])("refuses %j with its path", (fields, path) => {
    expect(problemsOf(service({ command: "x", ...fields }))).toEqual([
      `workspaceRuntime.services[0].${path}`,
    ]);
  });

  it.each([
    [[], ""],
    ["text", ""],
    [{ workspaceStrategy: [] }, "workspaceStrategy"],
    [{ workspaceStrategy: {} }, "workspaceStrategy.type"],
    [{ workspaceRuntime: { services: {} } }, "workspaceRuntime.services"],
    [{ workspaceRuntime: { commands: ["x"] } }, "workspaceRuntime.commands[0]"],
    [{ desiredState: "on" }, "desiredState"],
    [{ desiredState: 1 }, "desiredState"],
  ])("refuses %j with its path", (json, path) => {
    expect(problemsOf(json)).toContain(path);
  });

  it("tells all mistakes at once", () => {
    expect(problemsOf({ desiredState: 1, ...service({ command: 1, port: "x" }) })).toEqual([
      "workspaceRuntime.services[0].command",
      "workspaceRuntime.services[0].port",
      "desiredState",
    ]);
  });

  it("takes null for absent", () => {
    const { services, warnings } = convertService({ cwd: null, port: null, env: { A: null } });
    expect(services[0]).toMatchObject({ cwd: "", env: {} });
    expect(services[0]?.port).toBeUndefined();
    expect(warnings).toEqual([]);
  });

  it("reads commands of kind service as services, and warns of jobs", () => {
    const { services, warnings } = convertConfig({
      workspaceRuntime: {
        services: [
          { name: "web", command: "a" },
          { name: "seed", kind: "job", command: "s" },
        ],
        commands: [
          { id: "1", name: "api", kind: "service", command: "b" },
          { id: "2", name: "migrate", kind: "job", command: "c" },
        ],
      },
    });
    expect(services.map(({ name }) => name)).toEqual(["web", "api"]);
    expect(warnings.map(({ path }) => path)).toEqual([
      "workspaceRuntime.services[1].kind",
      "workspaceRuntime.commands[1].kind",
    ]);
  });

  it("refuses two services of one name", () => {
    expect(
      problemsOf({ workspaceRuntime: { services: [{ command: "a" }, { command: "b" }] } }),
    ).toEqual(["workspaceRuntime.services[1].name"]);
  });

  it("warns of keys that it does not know, and of shell variables where templates are rendered", () => {
    const { warnings } = convertConfig({
      version: 1,
      ...service({
        command: `echo ${shell("HOME")}`,
        env: { URL: `http://localhost:${shell("PORT")}` },
        restart: "always",
        expose: { urlTemplate: `http://localhost:${shell("PORT")}`, colour: "red" },
      }),
    });
    expect(warnings.map(({ path }) => path)).toEqual([
      "workspaceRuntime.services[0].expose.urlTemplate",
      "workspaceRuntime.services[0].expose.colour",
      "workspaceRuntime.services[0].env.URL",
      "workspaceRuntime.services[0].restart",
      "version",
    ]);
  });
});
