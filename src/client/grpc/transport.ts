import type { DescMethod } from "@bufbuild/protobuf";
import { Code, ConnectError, createContextValues, type Transport } from "@connectrpc/connect";
import { runStreamingCall, runUnaryCall } from "@connectrpc/connect/protocol";
import { authorize } from "../authorize.ts";
import { connectionErrors } from "../connection-errors.ts";
import type { RuntimeTransport, TransportOptions } from "../transport.ts";
import { createChannel } from "./channel.ts";
import { streamCall } from "./stream-call.ts";
import { unaryCall } from "./unary-call.ts";

/**
 * The transport of `createTransport` on grpc-js: finds the server anew for each connection and the token for each
 * call. Unary methods and server streams, which is all that the contract has.
 */
export function createGrpcTransport(options: TransportOptions = {}): RuntimeTransport {
  const channel = createChannel(options);
  const interceptors = [connectionErrors, authorize(options)];

  const transport: Transport = {
    unary(method, signal, timeoutMs, header, message, contextValues = createContextValues()) {
      const deadline = deadlineOf(timeoutMs);
      return runUnaryCall({
        interceptors,
        ...limits(signal, timeoutMs),
        req: { stream: false, ...headOf(method, header), contextValues, message },
        next: async (request) => unaryCall(channel.client(), request, deadline),
      });
    },

    async stream(
      method,
      signal,
      timeoutMs,
      header,
      message,
      contextValues = createContextValues(),
    ) {
      if (method.methodKind !== "server_streaming") {
        throw new ConnectError(`${method.name} streams requests`, Code.Unimplemented);
      }
      const deadline = deadlineOf(timeoutMs);
      return runStreamingCall({
        interceptors,
        ...limits(signal, timeoutMs),
        req: { stream: true, ...headOf(method, header), contextValues, message },
        next: async (request) => streamCall(channel.client(), request, deadline),
      });
    },
  };
  return { transport, close: () => channel.close() };
}

/** Only a name, for interceptors. */
const AUTHORITY = "http://localhost";

/** What unary calls and streams ask alike. */
function headOf<M extends DescMethod>(method: M, header: ConstructorParameters<typeof Headers>[0]) {
  return {
    service: method.parent,
    method,
    requestMethod: "POST",
    url: `${AUTHORITY}/${method.parent.typeName}/${method.name}`,
    header: new Headers(header),
  };
}

/** What the server is told; the caller's own wait is bounded by `limits`. */
function deadlineOf(timeoutMs: number | undefined): number {
  return timeoutMs === undefined || timeoutMs <= 0
    ? Number.POSITIVE_INFINITY
    : Date.now() + timeoutMs;
}

function limits(signal: AbortSignal | undefined, timeoutMs: number | undefined) {
  return {
    ...(signal && { signal }),
    ...(timeoutMs !== undefined && timeoutMs > 0 && { timeoutMs }),
  };
}
