import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isRuntimeError } from "../../src/errors.ts";
import type { ServiceSpec } from "../../src/model/service-spec.ts";
import { validateSpecs } from "../../src/services/validate-spec.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { realizePrimary, type TestWorkspace } from "../support/workspace.ts";

const web: ServiceSpec = { name: "web", process: { kind: "command", command: "run" } };

function violationsOf(...specs: ServiceSpec[]): string[] {
  try {
    validateSpecs(specs, "services");
    return [];
  } catch (error) {
    if (!isRuntimeError(error, "INVALID_FIELD")) throw error;
    return error.violations.map(({ field }) => field);
  }
}

describe("hazard 10: port configurations that could never work", () => {
  it.each([0, -1, 65536, 3000.5, Number.NaN])("refuses port %s with its field", (port) => {
    expect(violationsOf({ ...web, port: { port } })).toEqual(["services[0].port.value"]);
  });

  it.each([
    "PATH",
    "HOME",
    "SHELL",
    "NODE_OPTIONS",
    "LD_PRELOAD",
    "DYLD_X",
    "WORKSPACE_RUNTIME_X",
    "A=B",
    "1A",
    "A-B",
  ])("refuses %s as the variable of a port", (envKey) => {
    expect(violationsOf({ ...web, port: { port: "auto", envKey } })).toEqual([
      "services[0].port.env_key",
    ]);
  });

  it("refuses a bad extra port, and two ports that would set one variable", () => {
    expect(violationsOf({ ...web, extraPorts: { admin: { port: 70000 } } })).toEqual([
      'services[0].extra_ports["admin"].value',
    ]);
    expect(
      violationsOf({
        ...web,
        port: { port: "auto" },
        extraPorts: { a: { port: 1, envKey: "PORT" } },
      }),
    ).toEqual(['services[0].extra_ports["a"]']);
  });

  it("tells all mistakes of a call at once", () => {
    expect(
      violationsOf(
        { name: "a" },
        { ...web, env: { "A B": "" } },
        { ...web, stop: { signal: "TERM" } },
      ),
    ).toEqual([
      "services[0].command",
      'services[1].env["A B"]',
      "services[2].name",
      "services[2].stop.signal",
    ]);
  });

  it("takes what is right", () => {
    expect(
      violationsOf({
        ...web,
        port: { port: "auto", envKey: "WEB_PORT" },
        extraPorts: { admin: { port: 65535 } },
      }),
    ).toEqual([]);
  });

  it.each(["readiness", "liveness"] as const)("looks at the %s probe as well", (field) => {
    const probe = { check: { kind: "tcp", port: 70000 } } as const;
    expect(violationsOf({ ...web, [field]: probe })).toEqual([`services[0].${field}.tcp.port`]);
  });
});

describe("hazard 10: port configurations as JSON", () => {
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

  async function refusal(port: unknown) {
    const service = "workspace.runtime.v1.WorkspaceRuntime";
    const answer = await fetch(`${server.address}/${service}/EnsureServices`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${server.token}`,
        "content-type": "application/json",
      },
      body: JSON.stringify({
        runId: "run",
        workspaceId: workspace.workspaceId,
        services: [{ name: "web", command: "exec sleep 600", port }],
      }),
    });
    const { code, message } = (await answer.json()) as { code?: string; message?: string };
    return { code, message };
  }

  it.each([
    ["a text", { value: "http" }, "value"],
    ["a fraction", { value: 3000.5 }, "value"],
    ["a number beyond 32 bits", { value: 4294967296 }, "value"],
    ["a negative number", { value: -1 }, "services[0].port.value"],
    ["0", { value: 0 }, "services[0].port.value"],
    ["65536", { value: 65536 }, "services[0].port.value"],
    ["auto with a value", { auto: {}, value: 3000 }, "oneof"],
    ["auto as a text", { auto: "yes" }, "PortAuto"],
    ["a bare number", 3000, "PortSpec"],
    ["PATH as its variable", { auto: {}, envKey: "PATH" }, "services[0].port.env_key"],
    ["a variable with =", { auto: {}, envKey: "A=B" }, "services[0].port.env_key"],
  ])("refuse %s, and name it", async (_, port, words) => {
    const { code, message } = await refusal(port);
    expect(code).toBe("invalid_argument");
    expect(message).toContain(words);
  });

  it("leave nothing behind", async () => {
    expect((await server.client.listServices({})).services).toEqual([]);
  });
});
