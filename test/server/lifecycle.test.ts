import { once } from "node:events";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import {
  Health,
  HealthCheckRequestSchema,
  HealthCheckResponseSchema,
  HealthListResponseSchema,
} from "../../gen/grpc/health/v1/health_pb.ts";
import {
  GetServiceResponseSchema,
  StopServicesResponseSchema,
} from "../../gen/workspace/runtime/v1/service_pb.ts";
import { WatchStatusResponseSchema } from "../../gen/workspace/runtime/v1/watch_pb.ts";
import { WorkspaceRuntime } from "../../gen/workspace/runtime/v1/workspace_runtime_pb.ts";
import { eventually } from "../support/eventually.ts";
import {
  connectClient,
  failureOf,
  grpcClient,
  grpcMetadata,
  grpcUnary,
  pathOf,
  raw,
  seenByConnect,
  seenByGrpc,
  startServer,
} from "./support.ts";

const check = (service: string) =>
  toBinary(HealthCheckRequestSchema, create(HealthCheckRequestSchema, { service }));
const healthPath = (method: string) => pathOf(method, Health.typeName);
const statusIn = (bytes: Buffer) => fromBinary(HealthCheckResponseSchema, bytes).status;

describe("health", () => {
  it("is NOT_SERVING until ready, for the server and for the service, over gRPC and HTTP", async () => {
    const server = await startServer({}, { notReady: true });
    const client = grpcClient(server.address);
    const ask = async (service: string) =>
      statusIn(await grpcUnary(client, healthPath("Check"), check(service)));
    const http = async () => (await fetch(`${server.address}/healthz`)).status;

    expect([await ask(""), await ask(WorkspaceRuntime.typeName), await http()]).toEqual([
      2, 2, 503,
    ]);
    server.ready();
    expect([await ask(""), await ask(WorkspaceRuntime.typeName), await http()]).toEqual([
      1, 1, 200,
    ]);
    expect(seenByGrpc(await failureOf(ask("no.Such"))).code).toBe(5);
    const all = await grpcUnary(client, healthPath("List"), Buffer.alloc(0));
    expect(Object.keys(fromBinary(HealthListResponseSchema, all).statuses)).toEqual([
      "",
      WorkspaceRuntime.typeName,
    ]);
  });

  it("is watched: each change, and unknown services too", async () => {
    const server = await startServer({}, { notReady: true });
    const client = grpcClient(server.address);
    const watch = (service: string) => {
      const seen: number[] = [];
      const call = client.makeServerStreamRequest(
        healthPath("Watch"),
        raw,
        raw,
        Buffer.from(check(service)),
        grpcMetadata(""),
      );
      call.on("data", (bytes) => seen.push(statusIn(bytes)));
      call.on("error", () => {});
      return seen;
    };
    const [known, unknown] = [watch(""), watch("no.Such")];
    await eventually(() => known.length === 1 && unknown.length === 1);
    server.ready();
    await eventually(() => known.length === 2);
    void server.shutdown();
    await eventually(() => known.length === 3);
    expect([known, unknown]).toEqual([[2, 1, 2], [3]]);
  });

  it("answers over Connect as well", async () => {
    const server = await startServer();
    const answer = await fetch(`${server.address}${healthPath("Check")}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: "{}",
    });
    expect(await answer.json()).toEqual({ status: "SERVING" });
  });
});

describe("before the server is ready", () => {
  it("reads are answered and what changes something waits", async () => {
    const called: string[] = [];
    const server = await startServer(
      {
        async getService() {
          called.push("read");
          return create(GetServiceResponseSchema);
        },
        async stopServices() {
          called.push("change");
          return create(StopServicesResponseSchema);
        },
      },
      { notReady: true },
    );
    const client = connectClient(server.address);
    const change = client.stopServices({});
    await client.getService({});
    expect(called).toEqual(["read"]);
    server.ready();
    await change;
    expect(called).toEqual(["read", "change"]);
  });

  it("a waiting call ends with its deadline, or says STARTING_UP in the end", async () => {
    const server = await startServer({}, { notReady: true, limits: { startingUpWaitMs: 200 } });
    const client = connectClient(server.address);
    const late = client.stopServices({}, { timeoutMs: 50 });
    expect(seenByConnect(await failureOf(late)).code).toBe(4);
    expect(seenByConnect(await failureOf(client.stopServices({})))).toMatchObject({
      code: 14,
      info: { reason: "STARTING_UP" },
      retryMs: 500,
    });
  });

  it("a waiting call is refused at once when the server shuts down", async () => {
    const server = await startServer({}, { notReady: true });
    const waiting = failureOf(connectClient(server.address).stopServices({}));
    const alsoWaiting = failureOf(
      grpcUnary(grpcClient(server.address), pathOf("StopServices"), Buffer.alloc(0)),
    );
    // Both have reached the server when it has answered two calls that came after them.
    await connectClient(server.address)
      .getService({})
      .catch(() => {});
    await eventually(() => server.inFlight() === 2);
    await server.shutdown();
    expect(seenByConnect(await waiting).info?.reason).toBe("SHUTTING_DOWN");
    expect(seenByGrpc(await alsoWaiting).info?.reason).toBe("SHUTTING_DOWN");
  });
});

describe("shutdown", () => {
  async function busyServer() {
    let finish = () => {};
    const finished = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const server = await startServer({
      async getService() {
        await finished;
        return create(GetServiceResponseSchema, { service: { serviceId: "kept" } });
      },
      async *watchStatus(_request, { signal }) {
        yield create(WatchStatusResponseSchema, { snapshotComplete: true });
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
      },
    });
    return { server, finish };
  }

  it("ends streams with UNAVAILABLE and a hint, and lets calls in flight finish", async () => {
    const { server, finish } = await busyServer();
    const grpcStream = grpcClient(server.address).makeServerStreamRequest(
      pathOf("WatchStatus"),
      raw,
      raw,
      Buffer.alloc(0),
      grpcMetadata(),
    );
    const grpcError = new Promise((resolve) => grpcStream.on("error", resolve));
    await once(grpcStream, "data");
    grpcStream.resume();
    const connectStream = connectClient(server.address).watchStatus({})[Symbol.asyncIterator]();
    await connectStream.next();
    const overGrpc = grpcUnary(grpcClient(server.address), pathOf("GetService"), Buffer.alloc(0));
    const overConnect = connectClient(server.address).getService({});
    await eventually(() => server.inFlight() === 4);

    const down = server.shutdown();
    const connectError = await failureOf(connectStream.next());
    for (const seen of [seenByGrpc(await grpcError), seenByConnect(connectError)]) {
      expect(seen).toMatchObject({
        code: 14,
        info: { reason: "SHUTTING_DOWN" },
        retryMs: 1_000,
      });
    }
    finish();
    expect((await overConnect).service?.serviceId).toBe("kept");
    expect(fromBinary(GetServiceResponseSchema, await overGrpc).service?.serviceId).toBe("kept");
    await down;
    await expect(fetch(`${server.address}/healthz`)).rejects.toThrow();
  });

  it("is bounded: who takes too long is told so", async () => {
    const { server } = await busyServer();
    const stuck = failureOf(connectClient(server.address).getService({}));
    await eventually(() => server.inFlight() === 1);
    await server.shutdown({ graceMs: 50 });
    expect(seenByConnect(await stuck).info?.reason).toBe("SHUTTING_DOWN");
  });

  it("ends though a stream's reader has stopped reading", async () => {
    const server = await startServer({
      async *watchStatus() {
        for (;;) yield create(WatchStatusResponseSchema, { cursor: "x".repeat(100_000) });
      },
    });
    const call = grpcClient(server.address).makeServerStreamRequest(
      pathOf("WatchStatus"),
      raw,
      raw,
      Buffer.alloc(0),
      grpcMetadata(),
    );
    call.on("error", () => {});
    call.once("data", () => call.pause());
    await once(call, "data");
    await server.shutdown();
  });
});
