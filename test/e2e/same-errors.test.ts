import { fromBinary } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import {
  credentials,
  Metadata,
  makeGenericClientConstructor,
  type ServiceError,
} from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BadRequestSchema, ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../../gen/google/rpc/status_pb.ts";
import { WorkspaceRuntime } from "../../gen/workspace/runtime/v1/workspace_runtime_pb.ts";
import { errorDetails } from "../../src/client/index.ts";
import { startServer, type TestServer } from "../support/server.ts";

describe("a mistake, told to a grpc-js client and to a Connect client over HTTP/1.1", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer();
  });
  afterAll(() => server.stop());

  it("comes with equal status, reason and field violations", async () => {
    const fromConnect = await connectError();
    const fromGrpc = await grpcError();
    expect(fromGrpc).toEqual(fromConnect);
    expect(fromGrpc).toMatchObject({
      code: 3,
      reason: "INVALID_FIELD",
      fields: expect.arrayContaining(["agent.name", "base_cwd", "company_id"]),
    });
  });

  async function connectError() {
    const client = createClient(
      WorkspaceRuntime,
      createConnectTransport({
        baseUrl: server.address,
        httpVersion: "1.1",
        interceptors: [
          (next) => (request) => {
            request.header.set("authorization", `Bearer ${server.token}`);
            return next(request);
          },
        ],
      }),
    );
    const error = await client.realizeWorkspace({}).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    const details = errorDetails(error);
    return {
      code: (error as { code: number }).code,
      reason: details?.reason,
      fields: details?.violations.map(({ field }) => field).sort(),
    };
  }

  async function grpcError() {
    const path = `/${WorkspaceRuntime.typeName}/RealizeWorkspace`;
    const bytes = (value: Buffer) => value;
    const Client = makeGenericClientConstructor(
      {
        realizeWorkspace: {
          path,
          requestStream: false,
          responseStream: false,
          requestSerialize: bytes,
          requestDeserialize: bytes,
          responseSerialize: bytes,
          responseDeserialize: bytes,
        },
      },
      WorkspaceRuntime.typeName,
    );
    const client = new Client(new URL(server.address).host, credentials.createInsecure());
    const metadata = new Metadata();
    metadata.set("authorization", `Bearer ${server.token}`);
    const error = await new Promise<ServiceError>((resolve) => {
      client.makeUnaryRequest(path, bytes, bytes, Buffer.alloc(0), metadata, (failure) =>
        resolve(failure as ServiceError),
      );
    });
    client.close();
    const [raw] = error.metadata.get("grpc-status-details-bin");
    const status = fromBinary(StatusSchema, raw as Buffer);
    const detail = (type: string) =>
      status.details.find(({ typeUrl }) => typeUrl.endsWith(type))?.value ?? new Uint8Array();
    return {
      code: error.code as number,
      reason: fromBinary(ErrorInfoSchema, detail("google.rpc.ErrorInfo")).reason,
      fields: fromBinary(BadRequestSchema, detail("google.rpc.BadRequest"))
        .fieldViolations.map(({ field }) => field)
        .sort(),
    };
  }
});
