import { create as createMessage } from "@bufbuild/protobuf";
import { Code, type ConnectError, type HandlerContext } from "@connectrpc/connect";
import { afterEach, describe, expect, it } from "vitest";
import { WorkspaceRuntime } from "../../gen/workspace/runtime/v1/workspace_runtime_pb.ts";
import {
  type CallPolicy,
  defaultTimeoutsMs,
  errorDetails,
  StartServicesRequestSchema,
} from "../../src/client/index.ts";
import { bothClients } from "./both-clients.ts";
import { startFakeServer } from "./fake-server.ts";
import { refusal } from "./refusal.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

describe.each(bothClients)("a call of $name", ({ create }) => {
  /** Fails the first `failures.length` calls of each method so, then answers. */
  async function serve(failures: readonly ConnectError[], policy: CallPolicy = {}) {
    const seen: { readonly at: number; readonly request: object; readonly leftMs: number }[] = [];
    const answer = (request: object, context: HandlerContext) => {
      seen.push({ at: performance.now(), request, leftMs: context.timeoutMs() ?? 0 });
      const error = failures[seen.length - 1];
      if (error !== undefined) throw error;
      return {};
    };
    const server = await startFakeServer({
      getRuntimeInfo: answer,
      ensureServices: answer,
      updateWorkspace: answer,
      startServices: answer,
      deleteRescue: answer,
    });
    cleanups.push(() => server.close());
    const client = create({ address: server.address, token: "t", ...policy });
    cleanups.push(() => client.close());
    return { server, client, seen };
  }

  it.each(["STARTING_UP", "SHUTTING_DOWN", "STORE_UNAVAILABLE", ""])(
    "is tried again while the server is away (%j)",
    async (reason) => {
      const { client, seen } = await serve([
        refusal(reason, Code.Unavailable),
        refusal(reason, Code.Unavailable),
      ]);
      await client.getRuntimeInfo({});
      await client.ensureServices({ runId: "r" });
      expect(seen).toHaveLength(4);
    },
  );

  it("waits for as long as the server asks", async () => {
    const { client, seen } = await serve([refusal("STARTING_UP", Code.Unavailable, 300)]);
    await client.getRuntimeInfo({});
    expect(Number(seen[1]?.at) - Number(seen[0]?.at)).toBeGreaterThanOrEqual(299);
  });

  it("is tried `maxAttempts` times and then fails as the last try did", async () => {
    const away = Array.from({ length: 9 }, () => refusal("STORE_UNAVAILABLE", Code.Unavailable));
    const { client, seen } = await serve(away, { maxAttempts: 3 });
    const error = await client.getRuntimeInfo({}).catch((thrown: unknown) => thrown);
    expect(errorDetails(error).reason).toBe("STORE_UNAVAILABLE");
    expect(seen).toHaveLength(3);
  });

  it("is not tried again after its deadline, and says what kept it, not that time is up", async () => {
    const { client, seen } = await serve([refusal("STORE_UNAVAILABLE", Code.Unavailable, 60_000)]);
    const call = client.getRuntimeInfo({}, { timeoutMs: 20_000 });
    await expect(call).rejects.toMatchObject({ code: Code.Unavailable });
    expect(seen).toHaveLength(1);
  });

  it.each([
    ["STALE_REVISION", Code.Aborted],
    ["STOP_NOT_PROVEN", Code.Aborted],
    ["LIMIT_EXCEEDED", Code.ResourceExhausted],
    ["INTERNAL", Code.Internal],
  ])("is not tried again by itself after %s", async (reason, code) => {
    const { client, seen } = await serve([refusal(reason, code, 0)]);
    await expect(client.updateWorkspace({})).rejects.toMatchObject({ code });
    expect(seen).toHaveLength(1);
  });

  it("is not tried again if the method may not be repeated", async () => {
    const { client, seen } = await serve([refusal("STORE_UNAVAILABLE", Code.Unavailable)]);
    await expect(client.deleteRescue({})).rejects.toMatchObject({ code: Code.Unavailable });
    expect(seen).toHaveLength(1);
  });

  it("has a request_id if it starts services, so that it may be tried again", async () => {
    const { client, seen } = await serve([refusal("SHUTTING_DOWN", Code.Unavailable)]);
    const request = createMessage(StartServicesRequestSchema, {
      target: { case: "workspaceId", value: "w" },
    });
    await client.startServices(request);
    await client.startServices(request);
    await client.startServices({ requestId: "mine" });
    const ids = seen.map((call) => (call.request as { requestId: string }).requestId);
    expect(ids[0]).toMatch(/^[0-9a-f-]{36}$/);
    expect(ids[1]).toBe(ids[0]);
    expect(ids[2]).not.toBe(ids[0]);
    expect(ids[3]).toBe("mine");
    // The caller's message is the caller's.
    expect(request.requestId).toBe("");
  });

  it("ends at once when its signal aborts between two tries", async () => {
    const { client, seen } = await serve([refusal("STORE_UNAVAILABLE", Code.Unavailable, 60_000)]);
    const controller = new AbortController();
    const call = client.getRuntimeInfo({}, { signal: controller.signal, timeoutMs: 0 });
    const outcome = expect(call).rejects.toMatchObject({ code: Code.Canceled });
    await expect.poll(() => seen.length).toBe(1);
    controller.abort();
    await outcome;
  });

  it("ends at once when the client is closed between two tries", async () => {
    const { client, seen } = await serve([refusal("STORE_UNAVAILABLE", Code.Unavailable, 60_000)]);
    const outcome = expect(client.getRuntimeInfo({}, { timeoutMs: 0 })).rejects.toMatchObject({
      code: Code.Canceled,
    });
    await expect.poll(() => seen.length).toBe(1);
    client.close();
    await outcome;
  });

  it("outlives a restart of the server", async () => {
    const { server, client, seen } = await serve([]);
    await client.getRuntimeInfo({});
    const port = Number(new URL(server.address).port);
    await server.close();
    const call = client.getRuntimeInfo({});
    const next = await startFakeServer(
      { getRuntimeInfo: () => ({ version: "next" }) },
      { listen: port },
    );
    cleanups.push(() => next.close());
    expect((await call).version).toBe("next");
    expect(seen).toHaveLength(1);
  });

  it("has its method's deadline, the client's, or its own", async () => {
    const { client, seen } = await serve([]);
    await client.getRuntimeInfo({});
    await client.ensureServices({});
    await client.ensureServices({}, { timeoutMs: 5_000 });
    await client.ensureServices({}, { timeoutMs: 0 });
    const other = await serve([], { timeoutMs: 7_000 });
    await other.client.ensureServices({});
    const left = [...seen, ...other.seen].map(({ leftMs }) => leftMs);
    const asked = [
      defaultTimeoutsMs.getRuntimeInfo,
      defaultTimeoutsMs.ensureServices,
      5_000,
      0,
      7_000,
    ];
    expect(left).toHaveLength(asked.length);
    for (const [index, ms] of asked.entries()) {
      expect(left[index]).toBeLessThanOrEqual(ms);
      expect(left[index]).toBeGreaterThanOrEqual(ms === 0 ? 0 : ms / 2);
    }
  });
});

describe("defaultTimeoutsMs", () => {
  it("has one for every unary method and none for streams", () => {
    const unary = WorkspaceRuntime.methods.filter(({ methodKind }) => methodKind === "unary");
    expect(Object.keys(defaultTimeoutsMs).sort()).toEqual(
      unary.map(({ localName }) => localName).sort(),
    );
  });
});
