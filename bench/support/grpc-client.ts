import { once } from "node:events";
import { connect } from "node:http2";
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { Client, type ClientReadableStream, credentials, Metadata } from "@grpc/grpc-js";
import {
  type StreamLogsRequest,
  StreamLogsRequestSchema,
} from "../../gen/workspace/runtime/v1/log_pb.ts";
import type { TestServer } from "../../test/support/server.ts";
import { bareService } from "./bare-service.ts";
import type { BareServer } from "./scene.ts";

/** A grpc-js client over bytes: it decodes nothing, so that what is measured is the way to it. */
export interface ByteClient {
  unary(path: string, request: Uint8Array): Promise<Buffer>;
  stream(path: string, request: Uint8Array): ClientReadableStream<Buffer>;
  close(): void;
}

export interface Transfer {
  readonly bytes: number;
  readonly messages: number;
  readonly seconds: number;
}

const raw = (bytes: Buffer) => bytes;
const SERVICE = "/workspace.runtime.v1.WorkspaceRuntime";

export function clientOf(server: TestServer): ByteClient {
  return connectBytes(new URL(server.address).host, server.token);
}

export function clientOfBare({ grpcPort, token }: BareServer): ByteClient {
  return connectBytes(`127.0.0.1:${grpcPort}`, token);
}

export function methodPath(method: string): string {
  return `${SERVICE}/${method}`;
}

export type LogsInit = Exclude<MessageInitShape<typeof StreamLogsRequestSchema>, StreamLogsRequest>;

export function openLogs(
  client: ByteClient,
  serviceId: string,
  init: LogsInit = {},
): ClientReadableStream<Buffer> {
  const source = { case: "serviceId", value: serviceId } as const;
  const request = create(StreamLogsRequestSchema, { ...init, source });
  return client.stream(methodPath("StreamLogs"), toBinary(StreamLogsRequestSchema, request));
}

/** Reads to the end as fast as it comes. */
export async function drain(call: ClientReadableStream<Buffer>): Promise<Transfer> {
  const begun = performance.now();
  let bytes = 0;
  let messages = 0;
  call.on("data", (message: Buffer) => {
    bytes += message.length;
    messages += 1;
  });
  await once(call, "end");
  return { bytes, messages, seconds: (performance.now() - begun) / 1000 };
}

export async function drainBare(bare: BareServer, size: number, count: number): Promise<Transfer> {
  const client = clientOfBare(bare);
  const request = Buffer.from(JSON.stringify({ size, count }));
  const transfer = await drain(client.stream(bareService.stream.path, request));
  client.close();
  return transfer;
}

/** The same bytes over HTTP/2 alone. */
export async function drainHttp2(
  { http2Port }: BareServer,
  size: number,
  count: number,
): Promise<Transfer> {
  const session = connect(`http://127.0.0.1:${http2Port}`, {
    settings: { initialWindowSize: 1024 * 1024 },
  });
  const begun = performance.now();
  session.on("connect", () => session.setLocalWindowSize(1024 * 1024));
  const stream = session.request({ ":path": "/", bench: JSON.stringify({ size, count }) });
  let bytes = 0;
  stream.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
  });
  await once(stream, "end");
  const seconds = (performance.now() - begun) / 1000;
  session.close();
  return { bytes, messages: count, seconds };
}

export function megabytesPerSecond({ bytes, seconds }: Transfer): number {
  return bytes / seconds / 1e6;
}

function connectBytes(target: string, token: string): ByteClient {
  const metadata = new Metadata();
  metadata.set("authorization", `Bearer ${token}`);
  const client = new Client(target, credentials.createInsecure(), {
    "grpc.max_receive_message_length": -1,
    "grpc-node.flow_control_window": 1024 * 1024,
    // Connections are not shared, as they are not between the clients of a machine.
    "grpc.use_local_subchannel_pool": 1,
  });
  return {
    unary: (path, request) =>
      new Promise((resolve, reject) => {
        client.makeUnaryRequest(path, raw, raw, Buffer.from(request), metadata, (error, answer) =>
          error ? reject(error) : resolve(answer as Buffer),
        );
      }),
    stream: (path, request) =>
      client.makeServerStreamRequest(path, raw, raw, Buffer.from(request), metadata),
    close: () => client.close(),
  };
}
