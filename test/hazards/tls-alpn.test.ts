import { readFileSync } from "node:fs";
import { request as httpsRequest } from "node:https";
import { connect as tlsConnect } from "node:tls";
import { fileURLToPath } from "node:url";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { describe, expect, it } from "vitest";
import {
  GetRuntimeInfoRequestSchema,
  GetRuntimeInfoResponseSchema,
} from "../../gen/workspace/runtime/v1/info_pb.ts";
import {
  connectClient,
  failureOf,
  grpcClient,
  grpcMetadata,
  grpcUnary,
  pathOf,
  seenByGrpc,
  startServer,
  TOKEN,
} from "../server/support.ts";

/** Hazard 45b: under TLS everyone gets the side that speaks their language. */
const file = (name: string) => fileURLToPath(new URL(`../fixtures/tls/${name}`, import.meta.url));
const ca = readFileSync(file("ca.pem"));

function tlsServer(clientCa?: string) {
  return startServer(
    {
      async getRuntimeInfo() {
        return create(GetRuntimeInfoResponseSchema, { version: "7" });
      },
    },
    {
      tls: {
        cert: file("server.pem"),
        key: file("server.key"),
        ...(clientCa === undefined ? {} : { clientCa }),
      },
    },
  );
}

const request = toBinary(GetRuntimeInfoRequestSchema, create(GetRuntimeInfoRequestSchema));

async function grpcVersion(address: string, credentials: grpc.ChannelCredentials) {
  const client = grpcClient(address, credentials);
  const bytes = await grpcUnary(client, pathOf("GetRuntimeInfo"), request);
  return fromBinary(GetRuntimeInfoResponseSchema, bytes).version;
}

/** Which protocol the server picks from an offer, and how it answers an HTTP/1.1 request on it. */
function offer(port: number, protocols: string[] | undefined) {
  return new Promise<{ picked: string | false | null; status: string }>((resolve, reject) => {
    const socket = tlsConnect(
      {
        host: "127.0.0.1",
        port,
        ca,
        servername: "localhost",
        ...(protocols && { ALPNProtocols: protocols }),
      },
      () => {
        socket.write("GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
      },
    );
    let text = "";
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
    });
    socket.on("error", reject);
    socket.on("close", () =>
      resolve({ picked: socket.alpnProtocol, status: text.split("\r\n", 1)[0] ?? "" }),
    );
  });
}

function postJson(port: number, host: string) {
  // The types of node:https leave out what it hands through to node:tls.
  const tls = { ca, servername: "localhost", ALPNProtocols: ["h2", "http/1.1"] };
  return new Promise<{ status: number | undefined; body: string }>((resolve, reject) => {
    const call = httpsRequest(
      {
        ...tls,
        host: "127.0.0.1",
        port,
        method: "POST",
        path: pathOf("GetRuntimeInfo"),
        headers: { host, authorization: `Bearer ${TOKEN}`, "content-type": "application/json" },
      },
      (answer) => {
        let body = "";
        answer.on("data", (chunk) => {
          body += chunk;
        });
        answer.on("end", () => resolve({ status: answer.statusCode, body }));
      },
    );
    call.on("error", reject);
    call.end("{}");
  });
}

describe("under TLS", () => {
  it("a gRPC client, which offers h2 alone, gets gRPC", async () => {
    const { address } = await tlsServer();
    expect(address).toMatch(/^https:/);
    expect(await grpcVersion(address, grpc.credentials.createSsl(ca))).toBe("7");
  });

  it("who offers h2 and http/1.1, as browsers and curl do, gets HTTP/1.1", async () => {
    const { port } = await tlsServer();
    for (const protocols of [["h2", "http/1.1"], ["http/1.1", "h2"], ["http/1.1"]]) {
      expect(await offer(port, protocols)).toEqual({
        picked: "http/1.1",
        status: "HTTP/1.1 200 OK",
      });
    }
  });

  it("who offers nothing is known by the first bytes", async () => {
    const { port } = await tlsServer();
    expect(await offer(port, undefined)).toEqual({ picked: false, status: "HTTP/1.1 200 OK" });
  });

  it("who offers only what we do not speak is refused", async () => {
    const { port } = await tlsServer();
    await expect(offer(port, ["h3"])).rejects.toThrow(/no application protocol/i);
  });

  it("a Connect client and JSON as curl sends it call methods", async () => {
    const { address, port } = await tlsServer();
    const client = connectClient(address, { nodeOptions: { ca } });
    expect((await client.getRuntimeInfo({})).version).toBe("7");
    expect(await postJson(port, `localhost:${port}`)).toEqual({
      status: 200,
      body: '{"version":"7"}',
    });
  });

  it("the names of the certificate are hosts of ours, others are not", async () => {
    const { port } = await tlsServer();
    expect(await postJson(port, `runtime.test:${port}`)).toMatchObject({ status: 200 });
    expect(await postJson(port, "evil.example")).toMatchObject({ status: 403 });
  });

  it("the token is asked for", async () => {
    const { address } = await tlsServer();
    const client = grpcClient(address, grpc.credentials.createSsl(ca));
    const call = grpcUnary(client, pathOf("GetRuntimeInfo"), request, grpcMetadata(""));
    expect(seenByGrpc(await failureOf(call)).code).toBe(16);
  });

  it("with a client authority only its clients get in", async () => {
    const { address } = await tlsServer(file("ca.pem"));
    const [key, cert] = [readFileSync(file("client.key")), readFileSync(file("client.pem"))];
    expect(await grpcVersion(address, grpc.credentials.createSsl(ca, key, cert))).toBe("7");
    const without = grpcVersion(address, grpc.credentials.createSsl(ca));
    expect(seenByGrpc(await failureOf(without)).code).toBe(14);
  });
});
