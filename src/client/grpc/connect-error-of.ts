import { fromBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { ServiceError } from "@grpc/grpc-js";
import { StatusSchema } from "../../../gen/google/rpc/status_pb.ts";
import { copyMetadata } from "./metadata.ts";

/** What grpc-js throws, as the Connect client would throw it: the same class, code, words and details. */
export function connectErrorOf(error: Error): ConnectError {
  if (!isServiceError(error)) return ConnectError.from(error, Code.Internal);
  const headers = new Headers();
  copyMetadata(error.metadata, headers);
  const told = new ConnectError(error.details, error.code as number, headers, undefined, error);
  told.details = detailsOf(error);
  return told;
}

function detailsOf({ metadata }: ServiceError): ConnectError["details"] {
  const [bytes] = metadata.get("grpc-status-details-bin");
  if (!(bytes instanceof Uint8Array)) return [];
  try {
    return fromBinary(StatusSchema, new Uint8Array(bytes)).details.map(({ typeUrl, value }) => ({
      type: typeUrl.slice(typeUrl.lastIndexOf("/") + 1),
      value,
    }));
  } catch {
    // Not written by this server; the code and the words are still true.
    return [];
  }
}

function isServiceError(error: Error): error is ServiceError {
  return "code" in error && "details" in error && "metadata" in error;
}
