import { create, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import {
  GetServiceRequestSchema,
  GetServiceResponseSchema,
} from "../../gen/workspace/runtime/v1/service_pb.ts";
import { RuntimeError } from "../../src/errors.ts";
import {
  connectClient,
  failureOf,
  grpcClient,
  grpcUnary,
  pathOf,
  seenByConnect,
  seenByGrpc,
  startServer,
  TOKEN,
} from "./support.ts";

const request = toBinary(
  GetServiceRequestSchema,
  create(GetServiceRequestSchema, { serviceId: "s" }),
);

async function bothSee(stub: () => Promise<never>) {
  const server = await startServer({ getService: stub });
  const call = grpcUnary(grpcClient(server.address), pathOf("GetService"), request);
  const overGrpc = seenByGrpc(await failureOf(call));
  const overConnect = seenByConnect(
    await failureOf(connectClient(server.address).getService({ serviceId: "s" })),
  );
  return { overGrpc, overConnect, server };
}

describe("errors", () => {
  it("look the same to a grpc-js client and to a Connect client, with every detail", async () => {
    const { overGrpc, overConnect } = await bothSee(async () => {
      throw new RuntimeError("SERVICE_EXITED_EARLY", "web ended before it was ready", {
        metadata: { service_name: "web", exit_code: 3 },
        failures: [
          {
            serviceName: "web",
            serviceId: "svc-1",
            reason: "SERVICE_EXITED_EARLY",
            message: "exit code 3",
            diagnosis: { reason: "EXITED", outputTail: "boom\n", listeningPorts: [80] },
            exit: { code: 3, exitTime: 1_000 },
          },
          { serviceName: "db", reason: "DEPENDENCY_FAILED", message: "web failed" },
        ],
      });
    });
    expect(overGrpc).toEqual(overConnect);
    expect(overGrpc).toMatchObject({
      code: 9,
      message: "web ended before it was ready",
      info: {
        reason: "SERVICE_EXITED_EARLY",
        domain: "workspace.runtime.v1",
        metadata: { service_name: "web", exit_code: "3" },
      },
    });
    expect(overGrpc.failures).toMatchObject([
      { serviceName: "web", exit: { code: 3 }, diagnosis: { outputTail: "boom\n" } },
      { serviceName: "db" },
    ]);
  });

  it("carry the fields of a bad request and the time to wait where there is one", async () => {
    const bad = await bothSee(async () => {
      throw new RuntimeError("INVALID_FIELD", "bad", {
        violations: [{ field: "services[0].port.value", description: "must be 1 to 65535" }],
      });
    });
    expect(bad.overGrpc).toEqual(bad.overConnect);
    expect(bad.overGrpc).toMatchObject({
      code: 3,
      fields: [{ field: "services[0].port.value", description: "must be 1 to 65535" }],
    });

    const away = await bothSee(async () => {
      throw new RuntimeError("STORE_UNAVAILABLE", "the store is away");
    });
    expect(away.overGrpc).toEqual(away.overConnect);
    expect(away.overGrpc).toMatchObject({ code: 14, retryMs: 1_000 });
  });

  it("hide a defect behind INTERNAL and keep its cause in the log", async () => {
    const { overGrpc, overConnect, server } = await bothSee(async () => {
      throw new TypeError("secret path /home/x");
    });
    expect(overGrpc).toEqual(overConnect);
    expect(overGrpc).toMatchObject({
      code: 13,
      message: "internal error",
      info: { reason: "INTERNAL" },
    });
    const errors = server.logged.filter(({ level }) => level === "error");
    expect(errors).toHaveLength(2);
    expect(String(errors[0]?.fields.err)).toContain("secret path");
  });

  it("fit into the 8 KiB of trailers that some stacks allow, no failed service left out", async () => {
    const failures = Array.from({ length: 12 }, (_, index) => ({
      serviceName: `service-${index}`,
      reason: "SERVICE_NOT_READY" as const,
      message: "not ready",
      diagnosis: { reason: "PORT_CLOSED", outputTail: "é".repeat(4_000) },
    }));
    const { overGrpc, overConnect } = await bothSee(async () => {
      throw new RuntimeError("SERVICE_NOT_READY", "12 services failed", { failures });
    });
    expect(overGrpc).toEqual(overConnect);
    expect(overGrpc.failures.map((failure) => failure.serviceName)).toEqual(
      failures.map((failure) => failure.serviceName),
    );
    const bytes = overGrpc.failures.reduce(
      (sum, { diagnosis }) => sum + Buffer.byteLength(diagnosis?.outputTail ?? ""),
      0,
    );
    expect(bytes).toBeLessThan(6 * 1024);
    expect(bytes).toBeGreaterThan(0);
  });

  it("take messages that are no valid Unicode", async () => {
    const { overGrpc, overConnect } = await bothSee(async () => {
      throw new RuntimeError("PATH_NOT_ALLOWED", "no: \ud800 %", { metadata: { path: "\udc00" } });
    });
    expect(overGrpc).toEqual(overConnect);
    expect(overGrpc.message).toBe("no: \ufffd %");
  });

  it("keep the caller's own deadline as such", async () => {
    const server = await startServer({ getService: () => new Promise(() => {}) });
    const overConnect = await failureOf(
      connectClient(server.address).getService({ serviceId: "s" }, { timeoutMs: 50 }),
    );
    expect(seenByConnect(overConnect)).toMatchObject({ code: 4 });
    const call = grpcUnary(grpcClient(server.address), pathOf("GetService"), request, undefined, {
      deadline: Date.now() + 50,
    });
    expect(seenByGrpc(await failureOf(call))).toMatchObject({ code: 4 });
    expect(server.logged.filter(({ level }) => level === "error")).toEqual([]);
  });
});

describe("what the libraries refuse", () => {
  const junk = Buffer.from([0x0a, 0xff, 0xff]);

  it("is typed: bytes that do not parse, on every protocol", async () => {
    const server = await startServer();
    const call = grpcUnary(grpcClient(server.address), pathOf("GetService"), junk);
    expect(seenByGrpc(await failureOf(call))).toMatchObject({
      code: 3,
      info: { reason: "INVALID_FIELD" },
    });
    const answer = await fetch(`${server.address}${pathOf("GetService")}`, {
      method: "POST",
      headers: { authorization: `Bearer ${TOKEN}`, "content-type": "application/proto" },
      body: junk,
    });
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({
      code: "invalid_argument",
      details: [{ type: "google.rpc.ErrorInfo", debug: { reason: "INVALID_FIELD" } }],
    });
  });

  it("is typed: a request of more than 4 MiB", async () => {
    const server = await startServer({
      getService: async () => create(GetServiceResponseSchema),
    });
    const huge = { serviceId: "x".repeat(5 * 1024 * 1024) };
    const bytes = toBinary(GetServiceRequestSchema, create(GetServiceRequestSchema, huge));
    const client = grpcClient(server.address);
    const overGrpc = seenByGrpc(await failureOf(grpcUnary(client, pathOf("GetService"), bytes)));
    expect(overGrpc).toMatchObject({ code: 8, info: { reason: "LIMIT_EXCEEDED" } });
    const answer = await fetch(`${server.address}${pathOf("GetService")}`, {
      method: "POST",
      headers: { authorization: `Bearer ${TOKEN}`, "content-type": "application/json" },
      body: JSON.stringify(huge),
    });
    expect(answer.status).toBe(429);
    expect(await answer.json()).toMatchObject({
      code: "resource_exhausted",
      details: [{ debug: { reason: "LIMIT_EXCEEDED" } }, { debug: { retryDelay: "1s" } }],
    });
    await grpcUnary(client, pathOf("GetService"), request);
  });
});
