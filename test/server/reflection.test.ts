import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { describe, expect, it } from "vitest";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import {
  ServerReflection,
  type ServerReflectionRequest,
  ServerReflectionRequestSchema,
  type ServerReflectionResponse,
  ServerReflectionResponseSchema,
} from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as Alpha } from "../../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { GetRuntimeInfoResponseSchema } from "../../gen/workspace/runtime/v1/info_pb.ts";
import { WorkspaceRuntime } from "../../gen/workspace/runtime/v1/workspace_runtime_pb.ts";
import { failureOf, grpcClient, grpcMetadata, pathOf, raw, startServer, TOKEN } from "./support.ts";

type Ask = ServerReflectionRequest["messageRequest"];

/** Asks over one real stream of a bare grpc-js client. Both versions have the same bytes. */
async function reflect(service: string, asks: Ask[]): Promise<ServerReflectionResponse[]> {
  const { address } = await startServer();
  const call = grpcClient(address).makeBidiStreamRequest(
    pathOf("ServerReflectionInfo", service),
    raw,
    raw,
    grpcMetadata(),
  );
  for (const messageRequest of asks) {
    const request = create(ServerReflectionRequestSchema, { host: "h", messageRequest });
    call.write(Buffer.from(toBinary(ServerReflectionRequestSchema, request)));
  }
  call.end();
  const answers: ServerReflectionResponse[] = [];
  for await (const bytes of call) answers.push(fromBinary(ServerReflectionResponseSchema, bytes));
  return answers;
}

function fileNames({ messageResponse }: ServerReflectionResponse): string[] {
  if (messageResponse.case !== "fileDescriptorResponse") throw new Error(messageResponse.case);
  return messageResponse.value.fileDescriptorProto.map(
    (bytes) => fromBinary(FileDescriptorProtoSchema, bytes).name,
  );
}

const versions = [ServerReflection.typeName, Alpha.typeName];

describe.each(versions)("%s", (version) => {
  it("lists the services", async () => {
    const [answer] = await reflect(version, [{ case: "listServices", value: "" }]);
    expect(answer?.messageResponse).toMatchObject({
      case: "listServicesResponse",
      value: {
        service: [
          WorkspaceRuntime.typeName,
          "grpc.health.v1.Health",
          "grpc.reflection.v1.ServerReflection",
          "grpc.reflection.v1alpha.ServerReflection",
        ].map((name) => ({ name })),
      },
    });
  });

  it("finds files by name and by any symbol, with what they import", async () => {
    const symbols = [
      "workspace.runtime.v1.WorkspaceRuntime",
      "workspace.runtime.v1.WorkspaceRuntime.EnsureServices",
      "workspace.runtime.v1.Service",
      "workspace.runtime.v1.Service.service_id",
      "workspace.runtime.v1.SERVICE_STATE_RUNNING",
      "google.protobuf.Timestamp",
      "google.rpc.ErrorInfo",
      "google.rpc.BadRequest.FieldViolation",
      "workspace.runtime.v1.ServiceFailure",
    ];
    const firsts: string[] = [];
    for (const value of symbols) {
      const [answer] = await reflect(version, [{ case: "fileContainingSymbol", value }]);
      firsts.push(fileNames(answer as ServerReflectionResponse)[0] ?? "");
    }
    expect(firsts).toEqual([
      "workspace/runtime/v1/workspace_runtime.proto",
      "workspace/runtime/v1/workspace_runtime.proto",
      "workspace/runtime/v1/service.proto",
      "workspace/runtime/v1/service.proto",
      "workspace/runtime/v1/service.proto",
      "google/protobuf/timestamp.proto",
      "google/rpc/error_details.proto",
      "google/rpc/error_details.proto",
      "workspace/runtime/v1/service.proto",
    ]);
    const [byName] = await reflect(version, [
      { case: "fileByFilename", value: "google/rpc/error_details.proto" },
    ]);
    expect(fileNames(byName as ServerReflectionResponse)).toEqual([
      "google/rpc/error_details.proto",
      "google/protobuf/duration.proto",
    ]);
  });

  it("sends an import once a stream, but each file that is asked for", async () => {
    const asks: Ask[] = ["lease", "operation", "lease"].map((name) => ({
      case: "fileByFilename",
      value: `workspace/runtime/v1/${name}.proto`,
    }));
    const [lease, operation, again] = (await reflect(version, asks)).map(fileNames);
    expect(lease).toContain("google/protobuf/timestamp.proto");
    expect(operation).not.toContain("google/protobuf/timestamp.proto");
    expect(again).toEqual(["workspace/runtime/v1/lease.proto"]);
  });

  it("says NOT_FOUND of what it does not know, and goes on", async () => {
    const answers = await reflect(version, [
      { case: "fileByFilename", value: "no.proto" },
      { case: "fileContainingSymbol", value: "no.Such" },
      { case: "allExtensionNumbersOfType", value: "no.Such" },
      { case: undefined },
      { case: "allExtensionNumbersOfType", value: "google.protobuf.MethodOptions" },
    ]);
    expect(answers.map((answer) => answer.messageResponse)).toMatchObject([
      { case: "errorResponse", value: { errorCode: 5 } },
      { case: "errorResponse", value: { errorCode: 5 } },
      { case: "errorResponse", value: { errorCode: 5 } },
      { case: "errorResponse", value: { errorCode: 3 } },
      { case: "errorResponse", value: { errorCode: 5 } },
    ]);
  });
});

describe("buf curl, by reflection alone", () => {
  const run = promisify(execFile);
  const buf = (...args: string[]) =>
    run("node_modules/.bin/buf", [
      ...["curl", "--protocol", "grpc", "--http2-prior-knowledge"],
      ...[
        "-H",
        `Authorization: Bearer ${TOKEN}`,
        "--reflect-header",
        `Authorization: Bearer ${TOKEN}`,
      ],
      ...args,
    ]);

  it("lists the methods and calls one", async () => {
    const { address } = await startServer({
      async getRuntimeInfo() {
        return create(GetRuntimeInfoResponseSchema, { version: "7" });
      },
    });
    const { stdout } = await buf(address, "--list-methods");
    for (const { name } of WorkspaceRuntime.methods) {
      expect(stdout).toContain(`${WorkspaceRuntime.typeName}/${name}`);
    }
    const called = await buf(`${address}${pathOf("GetRuntimeInfo")}`);
    expect(JSON.parse(called.stdout)).toEqual({ version: "7" });
  });

  it("shows an error with its details", async () => {
    const { address } = await startServer();
    const failed = buf(`${address}${pathOf("CollectGarbage")}`, "-d", '{"dryRun": true}');
    const { stderr } = (await failureOf(failed)) as { stderr: string };
    const { code, details } = JSON.parse(stderr);
    expect([code, details[0].type]).toEqual(["unimplemented", "google.rpc.ErrorInfo"]);
    const info = fromBinary(ErrorInfoSchema, Buffer.from(details[0].value, "base64"));
    expect(info.reason).toBe("NOT_IMPLEMENTED");
  });
});
