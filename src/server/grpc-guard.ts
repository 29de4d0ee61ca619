import {
  status as code,
  Metadata,
  type ServerInterceptingCall,
  type ServerInterceptor,
} from "@grpc/grpc-js";
import { RuntimeError } from "../errors.ts";
import { encodeStatus, type RpcStatus, statusOf, undecodable } from "../rpc/status.ts";
import type { Access } from "./auth.ts";
import { leaveConnection } from "./cut-uploads.ts";

/**
 * Refuses a call before its request is read, and gives details to the errors that the library makes
 * itself. It changes the call's own methods instead of wrapping it: the library's errors go past
 * wrappers, and every message would go through them.
 */
export function guardCalls(
  access: Access,
  isOpen: (service: string) => boolean,
): ServerInterceptor {
  return (method, call) => {
    const sendStatus = call.sendStatus.bind(call);
    call.sendStatus = (status) => {
      if (!status.metadata && status.code === code.RESOURCE_EXHAUSTED) leaveConnection(call);
      sendStatus(status.metadata ? status : withDetails(status));
    };

    const service = method.path.slice(1, method.path.lastIndexOf("/"));
    if (!isOpen(service)) {
      const start = call.start.bind(call);
      call.start = (listener) =>
        start({
          ...listener,
          onReceiveMetadata(metadata) {
            try {
              access.check(metadata.get("authorization")[0]?.toString());
            } catch (error) {
              sendStatus(grpcStatus(statusOf(error)));
              return;
            }
            listener.onReceiveMetadata(metadata);
          },
        });
    }
    return call as unknown as ServerInterceptingCall;
  };
}

/** How the library wants a failure, as an error of a unary call and as an event of a stream. */
export interface GrpcStatus {
  readonly code: number;
  readonly details: string;
  readonly metadata: Metadata;
}

export function grpcStatus(status: RpcStatus): GrpcStatus {
  const metadata = new Metadata();
  if (status.details.length > 0) {
    metadata.set("grpc-status-details-bin", Buffer.from(encodeStatus(status)));
  }
  return { code: status.code, details: status.message, metadata };
}

/** Too large a message, and one that does not decompress. */
function withDetails<S extends { code?: number | null; details?: string | null }>(status: S): S {
  const words = status.details ?? "";
  switch (status.code) {
    case code.RESOURCE_EXHAUSTED:
      return { ...status, ...grpcStatus(statusOf(new RuntimeError("LIMIT_EXCEEDED", words))) };
    case code.INTERNAL:
      return { ...status, ...grpcStatus(statusOf(undecodable(new Error(words)))) };
    default:
      return status;
  }
}
