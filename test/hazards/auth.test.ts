import type { DescMethod } from "@bufbuild/protobuf";
import type * as grpc from "@grpc/grpc-js";
import { describe, expect, it } from "vitest";
import { Health } from "../../gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as Alpha } from "../../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { WorkspaceRuntime } from "../../gen/workspace/runtime/v1/workspace_runtime_pb.ts";
import type { AnyHandler } from "../../src/server/registration.ts";
import {
  failureOf,
  grpcClient,
  grpcMetadata,
  grpcUnary,
  type Handlers,
  pathOf,
  raw,
  seenByGrpc,
  startServer,
  TOKEN,
} from "../server/support.ts";

/** Hazard 46: who has no token, or a wrong one, learns nothing at all. */
const wrongTokens = ["", "wrong", `${TOKEN}x`, TOKEN.slice(1), TOKEN.toUpperCase()];
const closedMethods = [WorkspaceRuntime, ServerReflection, Alpha].flatMap(
  (service): readonly DescMethod[] => service.methods,
);

/** A server whose every handler would tell on itself. */
async function tattlingServer() {
  const called: string[] = [];
  const stubs = WorkspaceRuntime.methods.map((method): [string, AnyHandler] => [
    method.localName,
    () => {
      called.push(method.name);
      throw new Error("called");
    },
  ]);
  const server = await startServer(Object.fromEntries(stubs) as Partial<Handlers>);
  return { server, called };
}

function callAny(client: grpc.Client, method: DescMethod, token: string): Promise<unknown> {
  const path = pathOf(method.name, method.parent.typeName);
  const metadata = grpcMetadata(token);
  if (method.methodKind === "unary") return grpcUnary(client, path, Buffer.alloc(0), metadata);
  const call =
    method.methodKind === "server_streaming"
      ? client.makeServerStreamRequest(path, raw, raw, Buffer.alloc(0), metadata)
      : client.makeBidiStreamRequest(path, raw, raw, metadata);
  return new Promise((resolve, reject) => {
    call.on("data", () => {});
    call.on("error", reject);
    call.on("end", () => resolve(undefined));
  });
}

describe("without the token", () => {
  it("every RPC over gRPC is UNAUTHENTICATED in the same words, its handler never called", async () => {
    const { server, called } = await tattlingServer();
    const client = grpcClient(server.address);
    const words = new Set<string>();
    for (const method of closedMethods) {
      for (const token of wrongTokens) {
        const seen = seenByGrpc(await failureOf(callAny(client, method, token)));
        expect(seen, `${method.name} with "${token}"`).toMatchObject({
          code: 16,
          info: { reason: "UNAUTHENTICATED", metadata: {} },
        });
        words.add(seen.message);
      }
    }
    expect(words.size).toBe(1);
    expect([...words][0]).toContain("file `token` of the server's data directory");
    expect(called).toEqual([]);
  });

  it("every RPC over HTTP/1.1 is UNAUTHENTICATED in the same words, its handler never called", async () => {
    const { server, called } = await tattlingServer();
    const words = new Set<string>();
    for (const method of WorkspaceRuntime.methods) {
      for (const token of wrongTokens) {
        const isStream = method.methodKind !== "unary";
        const answer = await fetch(`${server.address}${pathOf(method.name)}`, {
          method: "POST",
          headers: {
            "content-type": isStream ? "application/connect+json" : "application/json",
            ...(token === "" ? {} : { authorization: `Bearer ${token}` }),
          },
          body: isStream ? Buffer.from([0, 0, 0, 0, 2, 0x7b, 0x7d]) : '{"unknown": "field"}',
        });
        const text = await answer.text();
        if (!isStream) expect(answer.status, method.name).toBe(401);
        const error = isStream ? JSON.parse(text.slice(5)).error : JSON.parse(text);
        expect(error).toMatchObject({
          code: "unauthenticated",
          details: [{ debug: { reason: "UNAUTHENTICATED" } }],
        });
        words.add(error.message);
      }
    }
    expect(words.size).toBe(1);
    expect(called).toEqual([]);
  });

  it("other schemes than Bearer are no way in", async () => {
    const { server, called } = await tattlingServer();
    for (const value of [TOKEN, `Basic ${TOKEN}`, `Bearer`, `Bearer ${TOKEN} ${TOKEN}`]) {
      const metadata = grpcMetadata("");
      metadata.set("authorization", value);
      const call = grpcUnary(
        grpcClient(server.address),
        pathOf("GetRuntimeInfo"),
        Buffer.alloc(0),
        metadata,
      );
      expect(seenByGrpc(await failureOf(call)).code, value).toBe(16);
    }
    expect(called).toEqual([]);
  });

  it("a large request is refused before it is read", async () => {
    const { server } = await tattlingServer();
    const huge = Buffer.alloc(5 * 1024 * 1024);
    const call = grpcUnary(
      grpcClient(server.address),
      pathOf("GetService"),
      huge,
      grpcMetadata(""),
    );
    expect(seenByGrpc(await failureOf(call)).code).toBe(16);
    const answer = await fetch(`${server.address}${pathOf("GetService")}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: huge,
    });
    expect(answer.status).toBe(401);
  });

  it("health alone is open", async () => {
    const { server } = await tattlingServer();
    const client = grpcClient(server.address);
    const path = pathOf("Check", Health.typeName);
    expect([...(await grpcUnary(client, path, Buffer.alloc(0), grpcMetadata("")))]).toEqual([8, 1]);
    expect((await fetch(`${server.address}/healthz`)).status).toBe(200);
  });
});

describe("with the token", () => {
  it("the same calls reach their handlers", async () => {
    const { server, called } = await tattlingServer();
    const client = grpcClient(server.address);
    for (const method of WorkspaceRuntime.methods) {
      const seen = seenByGrpc(await failureOf(callAny(client, method, TOKEN)));
      expect(seen.code, method.name).toBe(13);
    }
    expect(called).toEqual(WorkspaceRuntime.methods.map((method) => method.name));
  });

  it("the Unix socket needs none", async () => {
    const { server, called } = await tattlingServer();
    const client = grpcClient(`unix:${server.socketPath}`);
    const call = grpcUnary(client, pathOf("GetRuntimeInfo"), Buffer.alloc(0), grpcMetadata(""));
    expect(seenByGrpc(await failureOf(call)).code).toBe(13);
    expect(called).toEqual(["GetRuntimeInfo"]);
  });
});
