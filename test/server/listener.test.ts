import { linkSync, renameSync, statSync, writeFileSync } from "node:fs";
import { connect, createServer as createNetServer, type Socket } from "node:net";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { describe, expect, it, onTestFinished } from "vitest";
import {
  GetRuntimeInfoRequestSchema,
  GetRuntimeInfoResponseSchema,
} from "../../gen/workspace/runtime/v1/info_pb.ts";
import { WorkspaceRuntime } from "../../gen/workspace/runtime/v1/workspace_runtime_pb.ts";
import { assertSafeToListen } from "../../src/server/server.ts";
import { eventually } from "../support/eventually.ts";
import {
  connectClient,
  failureOf,
  grpcClient,
  grpcMetadata,
  grpcUnary,
  pathOf,
  startServer,
  TOKEN,
  temporaryDirectory,
} from "./support.ts";

const stubs = {
  async getRuntimeInfo() {
    return create(GetRuntimeInfoResponseSchema, { version: "7" });
  },
};
const request = toBinary(GetRuntimeInfoRequestSchema, create(GetRuntimeInfoRequestSchema));

async function grpcVersion(target: string, token = TOKEN): Promise<string> {
  const metadata = grpcMetadata(token);
  const bytes = await grpcUnary(grpcClient(target), pathOf("GetRuntimeInfo"), request, metadata);
  return fromBinary(GetRuntimeInfoResponseSchema, bytes).version;
}

function dial(port: number): { socket: Socket; text: () => string } {
  const socket = connect(port, "127.0.0.1");
  let seen = "";
  socket.on("data", (chunk) => {
    seen += chunk.toString("latin1");
  });
  socket.on("error", () => {});
  onTestFinished(() => void socket.destroy());
  return { socket, text: () => seen };
}

describe("one port", () => {
  it("speaks gRPC, Connect in JSON and in binary, and gRPC-Web", async () => {
    const { address } = await startServer(stubs);
    expect(await grpcVersion(address)).toBe("7");
    for (const useBinaryFormat of [false, true]) {
      const client = connectClient(address, { useBinaryFormat });
      expect((await client.getRuntimeInfo({})).version).toBe("7");
    }
    const web = createGrpcWebTransport({ baseUrl: address, httpVersion: "1.1" });
    const headers = { authorization: `Bearer ${TOKEN}` };
    expect(
      (await createClient(WorkspaceRuntime, web).getRuntimeInfo({}, { headers })).version,
    ).toBe("7");
  });

  it("answers a method without side effects to a GET", async () => {
    const { address } = await startServer(stubs);
    const client = connectClient(address, { useHttpGet: true });
    expect((await client.getRuntimeInfo({})).version).toBe("7");
  });

  it("knows the protocol from bytes that come one by one", async () => {
    const { port } = await startServer(stubs);
    const { socket, text } = dial(port);
    for (const byte of "PROPFIND /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n") {
      socket.write(byte);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await eventually(() => text().startsWith("HTTP/1.1 404"));
  });

  it("serves hundreds of connections of both kinds at once", async () => {
    const { address } = await startServer(stubs);
    const both = Array.from({ length: 100 }, () => [
      grpcVersion(address),
      connectClient(address)
        .getRuntimeInfo({})
        .then((answer) => answer.version),
    ]);
    expect(new Set(await Promise.all(both.flat()))).toEqual(new Set(["7"]));
  });

  it.each([
    ["silent", ""],
    ["that begins a preface and stops", "PRI * HT"],
    ["that begins a request and stops", "POST / HT"],
  ])("closes a client %s", async (_what, bytes) => {
    const { port } = await startServer(stubs, { limits: { sniffTimeoutMs: 100 } });
    const { socket } = dial(port);
    socket.write(bytes);
    await eventually(() => socket.closed);
  });

  it("survives clients that end, reset or talk nonsense", async () => {
    const { port, address } = await startServer(stubs);
    for (const bytes of [
      "",
      "PRI * ",
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nnonsense",
      "\0\xff\r\n\r\n",
    ]) {
      const ending = dial(port).socket;
      ending.end(bytes);
      const resetting = dial(port).socket;
      resetting.write(bytes, () => resetting.resetAndDestroy());
      await eventually(() => ending.closed && resetting.closed);
    }
    expect(await grpcVersion(address)).toBe("7");
  });

  it("takes no more connections than it is allowed", async () => {
    const { port } = await startServer(stubs, { limits: { maxConnections: 2 } });
    const [first, second] = [dial(port), dial(port)];
    await eventually(
      () => first.socket.readyState === "open" && second.socket.readyState === "open",
    );
    const third = dial(port);
    await eventually(() => third.socket.closed);
    first.socket.write("GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n");
    await eventually(() => first.text().startsWith("HTTP/1.1 200"));
  });

  it("says what is in the way when the port is taken", async () => {
    const { port } = await startServer(stubs);
    const second = startServer(stubs, { listen: { host: "127.0.0.1", port } });
    expect(await failureOf(second)).toMatchObject({ code: "EADDRINUSE" });
  });
});

describe("the Unix socket", () => {
  it("is for its owner alone and speaks both transports without a token", async () => {
    const { socketPath } = await startServer(stubs);
    expect(statSync(socketPath).mode & 0o777).toBe(0o600);
    expect(await grpcVersion(`unix:${socketPath}`, "")).toBe("7");
    const transport = createConnectTransport({
      baseUrl: "http://localhost",
      httpVersion: "1.1",
      nodeOptions: { socketPath },
    });
    const answer = await createClient(WorkspaceRuntime, transport).getRuntimeInfo({});
    expect(answer.version).toBe("7");
  });

  it("takes the place of a dead server's file, and is gone after the shutdown", async () => {
    const directory = temporaryDirectory();
    const socketPath = `${directory}/sock`;
    // A file that nobody listens on: what SIGKILL leaves behind.
    const dead = createNetServer().listen(socketPath);
    await eventually(() => dead.listening);
    linkSync(socketPath, `${socketPath}.kept`);
    await new Promise((resolve) => dead.close(resolve));
    renameSync(`${socketPath}.kept`, socketPath);
    expect(statSync(socketPath).isSocket()).toBe(true);

    const server = await startServer(stubs, { socketPath });
    expect(await grpcVersion(`unix:${socketPath}`, "")).toBe("7");
    await server.shutdown({ graceMs: 0 });
    expect(() => statSync(socketPath)).toThrow(/ENOENT/);
  });

  it("of a living server is not taken, and its port is free again", async () => {
    const { socketPath } = await startServer(stubs);
    await expect(startServer(stubs, { socketPath })).rejects.toThrow("another server listens");
    expect(await grpcVersion(`unix:${socketPath}`, "")).toBe("7");
  });

  it("with too long a path is refused in words", async () => {
    const socketPath = `/tmp/${"x".repeat(120)}/sock`;
    await expect(startServer(stubs, { socketPath })).rejects.toThrow("--data-dir");
  });

  it("never replaces a file that is no socket", async () => {
    const socketPath = `${temporaryDirectory()}/sock`;
    writeFileSync(socketPath, "mine");
    await expect(startServer(stubs, { socketPath })).rejects.toThrow();
    expect(statSync(socketPath).isFile()).toBe(true);
  });
});

describe("an address that others can reach", () => {
  it("is refused without TLS unless the caller insists", () => {
    const plain = { hasTls: false, insecureListen: false };
    expect(() => assertSafeToListen("0.0.0.0", plain)).toThrow("--insecure-listen");
    expect(() => assertSafeToListen("192.168.1.5", plain)).toThrow("--tls-cert");
    assertSafeToListen("0.0.0.0", { hasTls: true, insecureListen: false });
    assertSafeToListen("0.0.0.0", { hasTls: false, insecureListen: true });
    for (const host of ["127.0.0.1", "localhost", "::1", "[::1]", "127.1.2.3"]) {
      assertSafeToListen(host, plain);
    }
  });
});
