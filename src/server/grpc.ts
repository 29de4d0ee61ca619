import type { Duplex } from "node:stream";
import { type DescMessage, type DescMethod, fromBinary, type Message } from "@bufbuild/protobuf";
import {
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
  type UntypedHandleCall,
} from "@grpc/grpc-js";
import { type Encoded, encoderOf } from "../rpc/encode.ts";
import { statusOf, undecodable } from "../rpc/status.ts";
import { callEnded } from "../rpc/status-error.ts";
import { type Answers, createRace, pullAnswers } from "./answer.ts";
import type { Call } from "./calls.ts";
import { leaveCutUploads } from "./cut-uploads.ts";
import { type GrpcStatus, grpcStatus, guardCalls } from "./grpc-guard.ts";
import { sendInPlace } from "./grpc-in-place.ts";
import { logFailure, type ServerLog } from "./log.ts";
import { type AnyHandler, handlerOf, type Registration } from "./registration.ts";
import type { TransportOptions } from "./transport.ts";

/** Native gRPC for connections that were found to speak HTTP/2. */
export interface GrpcTransport {
  accept(connection: Duplex): void;
  /** Tells clients to go elsewhere; sessions end with their last call. */
  goAway(): void;
  destroy(): void;
}

export function createGrpcTransport(options: TransportOptions): GrpcTransport {
  const { limits, access, registrations } = options;
  const openServices = new Set(registrations.filter((r) => r.open).map((r) => r.service.typeName));
  const server = new Server({
    "grpc.max_receive_message_length": limits.maxMessageBytes,
    "grpc.max_send_message_length": -1,
    "grpc.max_concurrent_streams": limits.maxStreamsPerConnection,
    "grpc.keepalive_time_ms": limits.pingIntervalMs,
    "grpc.keepalive_timeout_ms": limits.pingTimeoutMs,
    // Its counters cost a tenth of a unary call and nobody reads them.
    "grpc.enable_channelz": 0,
    interceptors: [
      guardCalls(access, (service) => openServices.has(service)),
      leaveCutUploads,
      sendInPlace,
    ],
  });
  for (const registration of registrations) {
    for (const method of registration.service.methods)
      addMethod(server, registration, method, options);
  }
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  return {
    accept: (connection) => injector.injectConnection(connection),
    goAway: () => injector.destroy(),
    destroy: () => server.forceShutdown(),
  };
}

function addMethod(
  server: Server,
  registration: Registration,
  method: DescMethod,
  options: TransportOptions,
): void {
  const handler = handlerOf(registration, method);
  const path = `/${registration.service.typeName}/${method.name}`;
  const requestStream = isClientStream(method);
  const responseStream = method.methodKind !== "unary";
  const answer = {
    unary: answerUnary,
    server_streaming: answerStream,
    bidi_streaming: answerStream,
  };
  if (method.methodKind === "client_streaming") throw new Error(`${path}: not a kind of ours`);
  const implementation = answer[method.methodKind](method, handler, options);
  server.addService(
    {
      [method.name]: {
        path,
        requestStream,
        responseStream,
        // Bytes in: what fails to decode is answered here, with details. Bytes out: of a serialized
        // message the library wants its length and that it copies itself behind the frame's head.
        requestSerialize: identity,
        requestDeserialize: identity,
        responseSerialize: identity as (message: Encoded) => never,
        responseDeserialize: identity,
      },
    },
    { [method.name]: implementation as UntypedHandleCall },
  );
}

function answerUnary(method: DescMethod, handler: AnyHandler, options: TransportOptions) {
  const encode = encoderOf(method.output);
  return async (call: ServerUnaryCall<Buffer, Encoded>, callback: sendUnaryData<Encoded>) => {
    let opened: Call | undefined;
    try {
      opened = openCall(call, false, options);
      const request = decode(method.input, call.request);
      callback(null, encode(await opened.race(handler(request, opened.context))));
    } catch (error) {
      callback(grpcError(error, method, options.log));
    } finally {
      opened?.end();
    }
  };
}

/** Server streaming; bidi too, where the handler pulls the requests itself. */
function answerStream(method: DescMethod, handler: AnyHandler, options: TransportOptions) {
  const encode = encoderOf(method.output);
  return async (
    call: ServerWritableStream<Buffer, Encoded> | ServerDuplexStream<Buffer, Encoded>,
  ) => {
    let opened: Call | undefined;
    let answers: Answers<Message> | undefined;
    try {
      opened = openCall(call, true, options);
      const { signal } = opened.context;
      const request = isClientStream(method)
        ? decodeAll(method.input, call as ServerDuplexStream<Buffer, Encoded>)
        : decode(method.input, (call as ServerWritableStream<Buffer, Encoded>).request);
      answers = pullAnswers<Message>(handler(request, opened.context), signal);
      const room = createSendWindow(call, signal, options.limits.streamBufferBytes);
      for (;;) {
        const message = await answers.next();
        if (message === undefined) break;
        const full = room.send(encode(message));
        if (full !== undefined) await full;
      }
      call.end();
    } catch (error) {
      // The library ends a stream with the status that its error event carries.
      if (!call.cancelled) call.emit("error", grpcError(error, method, options.log));
    } finally {
      answers?.release();
      opened?.end();
    }
  };
}

/** What a queued message costs besides its bytes, roughly. */
const MESSAGE_OVERHEAD_BYTES = 512;

/**
 * Sends up to `limit` bytes ahead of the client. Counted in bytes, because the library's own mark is
 * 16 messages: 4 MiB of logs for each slow reader, and next to nothing of status changes.
 */
function createSendWindow(
  call: ServerWritableStream<Buffer, Encoded> | ServerDuplexStream<Buffer, Encoded>,
  signal: AbortSignal,
  limit: number,
) {
  const race = createRace(signal);
  let unsent = 0;
  let onRoom: (() => void) | undefined;
  return {
    /** A promise when the caller must wait before the next; rejects once the call has ended. */
    send(message: Encoded): Promise<void> | undefined {
      const size = message.byteLength + MESSAGE_OVERHEAD_BYTES;
      unsent += size;
      // A cancelled call never calls back; the race ends the wait.
      call.write(message, () => {
        // A call that broke off calls back, too, while its last bytes may still be on their way out.
        if (!signal.aborted) message.sent?.();
        unsent -= size;
        if (unsent < limit) onRoom?.();
      });
      if (unsent < limit) return undefined;
      return race(
        new Promise<void>((resolve) => {
          onRoom = resolve;
        }),
      );
    },
  };
}

function openCall(
  call: { getDeadline(): Date | number; on(event: "cancelled", listener: () => void): unknown },
  isStream: boolean,
  { calls, access }: TransportOptions,
): Call {
  const deadline = Number(call.getDeadline());
  const opened = calls.open({
    isStream,
    principal: access.principal,
    ...(Number.isFinite(deadline) ? { deadline } : {}),
  });
  // Also emitted after a call's ordinary end, when nobody listens any more.
  call.on("cancelled", () =>
    opened.abort(() => callEnded(Date.now() >= deadline ? "DEADLINE_EXCEEDED" : "CANCELLED")),
  );
  return opened;
}

function grpcError(error: unknown, method: DescMethod, log: ServerLog): GrpcStatus {
  logFailure(error, method, log);
  return grpcStatus(statusOf(error));
}

function decode(desc: DescMessage, bytes: Buffer): Message {
  try {
    return fromBinary(desc, bytes);
  } catch (error) {
    throw undecodable(error);
  }
}

async function* decodeAll(desc: DescMessage, requests: AsyncIterable<Buffer>) {
  for await (const bytes of requests) yield decode(desc, bytes);
}

function isClientStream(method: DescMethod): boolean {
  return method.methodKind === "bidi_streaming";
}

function identity<T>(value: T): T {
  return value;
}
