import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fromBinary, type MessageShape } from "@bufbuild/protobuf";
import { ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import * as grpc from "@grpc/grpc-js";
import { onTestFinished } from "vitest";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  RetryInfoSchema,
} from "../../gen/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../../gen/google/rpc/status_pb.ts";
import { ServiceFailureSchema } from "../../gen/workspace/runtime/v1/service_pb.ts";
import { WorkspaceRuntime } from "../../gen/workspace/runtime/v1/workspace_runtime_pb.ts";
import { RuntimeError } from "../../src/errors.ts";
import type { ServiceHandlers } from "../../src/rpc/handler.ts";
import { createServer, type RuntimeServer, type ServerOptions } from "../../src/server/server.ts";

export const TOKEN = "the-token-of-this-test";

export type Handlers = ServiceHandlers<typeof WorkspaceRuntime>;

export interface TestServer extends RuntimeServer {
  readonly socketPath: string;
  /** What the server wrote to its log. */
  readonly logged: { level: string; fields: { err?: unknown }; message: string }[];
}

/** A real server on a free port and a Unix socket; methods without a stub say NOT_IMPLEMENTED. Ends with the test. */
export async function startServer(
  stubs: Partial<Handlers> = {},
  options: Partial<ServerOptions<typeof WorkspaceRuntime>> & { notReady?: boolean } = {},
): Promise<TestServer> {
  const logged: TestServer["logged"] = [];
  const write = (level: string) => (fields: object, message: string) =>
    void logged.push({ level, fields, message });
  const { notReady, socketPath = join(temporaryDirectory(), "sock"), ...rest } = options;
  const server = await createServer({
    service: WorkspaceRuntime,
    handlers: withStubs(stubs),
    listen: { host: "127.0.0.1", port: 0 },
    socketPath,
    token: TOKEN,
    log: {
      debug: write("debug"),
      info: write("info"),
      warn: write("warn"),
      error: write("error"),
    },
    ...rest,
  });
  onTestFinished(() => server.shutdown({ graceMs: 0 }));
  if (!notReady) server.ready();
  return { ...server, socketPath, logged };
}

/** Gone with the test. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "wr-server-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

export function withStubs(stubs: Partial<Handlers>): Handlers {
  const table = WorkspaceRuntime.methods.map((method) => [
    method.localName,
    stubs[method.localName as keyof Handlers] ??
      (() => {
        throw new RuntimeError("NOT_IMPLEMENTED", `${method.name} is no part of this test`);
      }),
  ]);
  return Object.fromEntries(table) as Handlers;
}

/** A Connect client over HTTP/1.1, as the published client has it. */
export function connectClient(
  address: string,
  options: Partial<Parameters<typeof createConnectTransport>[0]> & { token?: string } = {},
) {
  const { token = TOKEN, ...rest } = options;
  const transport = createConnectTransport({
    baseUrl: address,
    httpVersion: "1.1",
    interceptors: [
      (next) => (request) => {
        if (token !== "") request.header.set("authorization", `Bearer ${token}`);
        return next(request);
      },
    ],
    ...rest,
  } as Parameters<typeof createConnectTransport>[0]);
  return createClient(WorkspaceRuntime, transport);
}

/** A bare grpc-js client; calls are made by path, over bytes. Closed with the test. */
export function grpcClient(
  address: string,
  credentials: grpc.ChannelCredentials = grpc.credentials.createInsecure(),
  options: grpc.ChannelOptions = {},
): grpc.Client {
  const target = address.replace(/^https?:\/\//, "");
  const client = new grpc.Client(target, credentials, {
    // A channel of its own, so that tests do not share connections.
    "grpc.use_local_subchannel_pool": 1,
    ...options,
  });
  onTestFinished(() => client.close());
  return client;
}

export function grpcMetadata(token = TOKEN): grpc.Metadata {
  const metadata = new grpc.Metadata();
  if (token !== "") metadata.set("authorization", `Bearer ${token}`);
  return metadata;
}

export const raw = (bytes: Buffer) => bytes;

export function pathOf(method: string, service = "workspace.runtime.v1.WorkspaceRuntime"): string {
  return `/${service}/${method}`;
}

export function grpcUnary(
  client: grpc.Client,
  path: string,
  request: Uint8Array,
  metadata = grpcMetadata(),
  options: grpc.CallOptions = {},
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      path,
      raw,
      raw,
      Buffer.from(request),
      metadata,
      options,
      (error, answer) => (error ? reject(error) : resolve(answer as Buffer)),
    );
  });
}

/** The same shape from either transport, so that they can be compared. */
export interface SeenError {
  code: number;
  message: string;
  info?: { reason: string; domain: string; metadata: Record<string, string> };
  fields?: { field: string; description: string }[];
  retryMs?: number;
  failures: MessageShape<typeof ServiceFailureSchema>[];
}

export function seenByGrpc(error: unknown): SeenError {
  const { code, details, metadata } = error as grpc.ServiceError;
  const [bytes] = metadata.get("grpc-status-details-bin");
  const status = bytes === undefined ? undefined : fromBinary(StatusSchema, bytes as Buffer);
  const packed = (status?.details ?? []).map((any) => ({
    type: any.typeUrl.replace("type.googleapis.com/", ""),
    value: any.value,
  }));
  return seen(code, details, packed);
}

export function seenByConnect(error: unknown): SeenError {
  const connect = ConnectError.from(error);
  const packed = connect.details.map((one) => one as { type: string; value: Uint8Array });
  return seen(connect.code, connect.rawMessage, packed);
}

function seen(
  code: number,
  message: string,
  details: { type: string; value: Uint8Array }[],
): SeenError {
  const found: SeenError = { code, message, failures: [] };
  for (const { type, value } of details) {
    switch (type) {
      case ErrorInfoSchema.typeName: {
        const { reason, domain, metadata } = fromBinary(ErrorInfoSchema, value);
        found.info = { reason, domain, metadata };
        break;
      }
      case BadRequestSchema.typeName:
        found.fields = fromBinary(BadRequestSchema, value).fieldViolations.map(
          ({ field, description }) => ({ field, description }),
        );
        break;
      case RetryInfoSchema.typeName: {
        const { retryDelay } = fromBinary(RetryInfoSchema, value);
        found.retryMs = Number(retryDelay?.seconds) * 1000 + Number(retryDelay?.nanos) / 1e6;
        break;
      }
      case ServiceFailureSchema.typeName:
        found.failures.push(fromBinary(ServiceFailureSchema, value));
        break;
      default:
        throw new Error(`unknown detail ${type}`);
    }
  }
  return found;
}

/** What `promise` rejects with; fails when it does not. */
export async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("expected a failure");
}
