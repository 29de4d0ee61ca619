import { create } from "@bufbuild/protobuf";
import {
  type ServerReflection,
  ServerReflectionResponseSchema,
} from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import {
  ServerReflectionResponseSchema as AlphaResponseSchema,
  type ServerReflection as ServerReflectionAlpha,
} from "../../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { StatusCode } from "../rpc/error-table.ts";
import type { ServiceHandlers } from "../rpc/handler.ts";
import { type DescriptorIndex, encodeFile, withImports } from "./descriptor-index.ts";

/** The parts that both versions of the protocol have in common. */
interface Request {
  readonly messageRequest:
    | {
        readonly case:
          | "fileByFilename"
          | "fileContainingSymbol"
          | "allExtensionNumbersOfType"
          | "listServices";
        readonly value: string;
      }
    | {
        readonly case: "fileContainingExtension";
        readonly value: { readonly containingType: string; readonly extensionNumber: number };
      }
    | { readonly case: undefined };
}

type Answer =
  | { case: "fileDescriptorResponse"; value: { fileDescriptorProto: Uint8Array[] } }
  | {
      case: "allExtensionNumbersResponse";
      value: { baseTypeName: string; extensionNumber: number[] };
    }
  | { case: "listServicesResponse"; value: { service: { name: string }[] } }
  | { case: "errorResponse"; value: { errorCode: number; errorMessage: string } };

/** `grpc.reflection.v1`, on the generated descriptors: what the server speaks, told by itself. */
export function createReflection(index: DescriptorIndex): ServiceHandlers<typeof ServerReflection> {
  return {
    async *serverReflectionInfo(requests) {
      const answer = createAnswerer(index);
      for await (const request of requests) {
        yield create(ServerReflectionResponseSchema, {
          validHost: request.host,
          originalRequest: request,
          messageResponse: answer(request),
        });
      }
    },
  };
}

/** The same under its older name, which is all that some tools know. */
export function createReflectionAlpha(
  index: DescriptorIndex,
): ServiceHandlers<typeof ServerReflectionAlpha> {
  return {
    async *serverReflectionInfo(requests) {
      const answer = createAnswerer(index);
      for await (const request of requests) {
        yield create(AlphaResponseSchema, {
          validHost: request.host,
          originalRequest: request,
          messageResponse: answer(request),
        });
      }
    },
  };
}

/** For one stream: a file that was sent once is not sent again as somebody's import. */
function createAnswerer(index: DescriptorIndex): (request: Request) => Answer {
  const sent = new Set<string>();

  const files = (file: ReturnType<DescriptorIndex["fileByName"]>, wanted: string): Answer => {
    if (file === undefined) return notFound(wanted);
    const fresh = withImports(file).filter((one) => one === file || !sent.has(one.proto.name));
    for (const one of fresh) sent.add(one.proto.name);
    return {
      case: "fileDescriptorResponse",
      value: { fileDescriptorProto: fresh.map(encodeFile) },
    };
  };

  return ({ messageRequest }) => {
    switch (messageRequest.case) {
      case "fileByFilename":
        return files(index.fileByName(messageRequest.value), messageRequest.value);
      case "fileContainingSymbol":
        return files(index.fileBySymbol(messageRequest.value), messageRequest.value);
      case "fileContainingExtension": {
        const { containingType, extensionNumber } = messageRequest.value;
        const file = index.fileByExtension(containingType, extensionNumber);
        return files(file, `${containingType}[${extensionNumber}]`);
      }
      case "allExtensionNumbersOfType": {
        const extensionNumber = index.extensionNumbers(messageRequest.value);
        if (extensionNumber === undefined) return notFound(messageRequest.value);
        return {
          case: "allExtensionNumbersResponse",
          value: { baseTypeName: messageRequest.value, extensionNumber },
        };
      }
      case "listServices":
        return {
          case: "listServicesResponse",
          value: { service: index.serviceNames.map((name) => ({ name })) },
        };
      default:
        return failure(StatusCode.INVALID_ARGUMENT, "the request asks for nothing");
    }
  };
}

function notFound(wanted: string): Answer {
  return failure(StatusCode.NOT_FOUND, `${wanted} is not known here`);
}

function failure(errorCode: number, errorMessage: string): Answer {
  return { case: "errorResponse", value: { errorCode, errorMessage } };
}
