import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { create, toJsonString } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EnsureServicesRequestSchema } from "../../gen/workspace/runtime/v1/run_pb.ts";
import { type Service, ServiceState } from "../../gen/workspace/runtime/v1/service_pb.ts";
import { fixture } from "../supervisor/support.ts";
import { eventually } from "../support/eventually.ts";
import { servicesWithVariable } from "../support/processes.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { realizePrimary, shellService, type TestWorkspace } from "../support/workspace.ts";

const CLIENT = new URL("../fixtures/ensure-client.ts", import.meta.url).pathname;
const VARIABLE = "LOST_CALLER_TEST";

describe("hazard 15: a start whose caller goes away", { timeout: 120_000 }, () => {
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

  const markOf = (name: string) => `${process.pid}-${name}`;
  /** Comes up when the test lets it: callers go away in the midst of the start. */
  const request = (name: string) => ({
    runId: `run-${name}`,
    workspaceId: workspace.workspaceId,
    services: [
      shellService(
        name,
        `while ! [ -e go-${name} ]; do sleep 0.02; done; exec ${process.execPath} ${fixture("listen.mjs")} $PORT`,
        { env: { [VARIABLE]: markOf(name) }, port: { port: { case: "auto", value: {} } } },
      ),
    ],
  });
  const letComeUp = (name: string) => writeFileSync(join(workspace.cwd, `go-${name}`), "");

  const rows = async (name: string) =>
    (await server.client.listServices({ serviceNames: [name] })).services;
  const starting = (name: string): Promise<Service> =>
    eventually(async () => (await rows(name)).find(({ providerRef }) => providerRef !== ""), {
      timeoutMs: 60_000,
    });

  /** Each begins the start and returns once its caller has gone. */
  const departures: Readonly<Record<string, (name: string) => Promise<void>>> = {
    async cancelled(name) {
      const cancel = new AbortController();
      const call = codeOf(server.client.ensureServices(request(name), { signal: cancel.signal }));
      await starting(name);
      cancel.abort();
      expect(await call).toBe(Code.Canceled);
    },
    async overdue(name) {
      const call = codeOf(server.client.ensureServices(request(name), { timeoutMs: 2_000 }));
      await starting(name);
      expect(await call).toBe(Code.DeadlineExceeded);
    },
    async killed(name) {
      const json = toJsonString(
        EnsureServicesRequestSchema,
        create(EnsureServicesRequestSchema, request(name)),
      );
      const client = spawn(process.execPath, [CLIENT, server.address, server.token, json]);
      await starting(name);
      client.kill("SIGKILL");
      await once(client, "exit");
    },
  };

  it.each(Object.keys(departures))(
    "neither kills nor doubles it when the caller was %s, and keeps the lease",
    async (name) => {
      await departures[name]?.(name);
      const [begun] = await rows(name);
      expect(begun).toMatchObject({ state: ServiceState.STARTING, leaseRunIds: [`run-${name}`] });
      const again = server.client.ensureServices(request(name));
      letComeUp(name);
      const { services } = await again;
      expect(services[0]).toMatchObject({
        serviceId: begun?.serviceId,
        providerRef: begun?.providerRef,
        state: ServiceState.RUNNING,
        reused: true,
        leaseRunIds: [`run-${name}`],
      });
      expect(await rows(name)).toHaveLength(1);
      expect(servicesWithVariable(VARIABLE, markOf(name)).map(({ pid }) => pid)).toEqual([
        Number(begun?.providerRef),
      ]);
    },
  );

  it("goes on to the end also when nobody ever asks again", async () => {
    const name = "forgotten";
    const cancel = new AbortController();
    const call = codeOf(server.client.ensureServices(request(name), { signal: cancel.signal }));
    await starting(name);
    cancel.abort();
    await call;
    letComeUp(name);
    await eventually(async () => (await rows(name))[0]?.state === ServiceState.RUNNING, {
      timeoutMs: 60_000,
    });
    expect(servicesWithVariable(VARIABLE, markOf(name))).toHaveLength(1);
  });
});

async function codeOf(call: Promise<unknown>): Promise<Code | undefined> {
  try {
    await call;
    return undefined;
  } catch (error) {
    return ConnectError.from(error).code;
  }
}
