import type { IncomingMessage, ServerResponse } from "node:http";
import type { DescMethod, Message } from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  type ConnectRouter,
  createConnectRouter,
  createContextKey,
  createContextValues,
  type HandlerContext,
  type MethodImpl,
} from "@connectrpc/connect";
import {
  compressionGzip,
  universalRequestFromNodeRequest,
  universalResponseToNodeResponse,
} from "@connectrpc/connect-node";
import { callEnded } from "../rpc/status-error.ts";
import { type Answers, pullAnswers } from "./answer.ts";
import type { Call } from "./calls.ts";
import { connectError, typedErrorResponse, typedLibraryError } from "./connect-errors.ts";
import { logFailure } from "./log.ts";
import { type AnyHandler, handlerOf, type Registration } from "./registration.ts";
import type { TransportOptions } from "./transport.ts";

/** What a stream's answer is written to, for the day its reader stops reading. */
const responseKey = createContextKey<ServerResponse | undefined>(undefined);

/** Answers Connect and gRPC-Web over HTTP/1.1; false when the path is no method of ours. */
export type ConnectTransport = (request: IncomingMessage, response: ServerResponse) => boolean;

export function createConnectTransport(options: TransportOptions): ConnectTransport {
  const router = createConnectRouter({
    // gRPC proper needs HTTP/2, which never comes here.
    grpc: false,
    jsonOptions: { ignoreUnknownFields: false },
    acceptCompression: [compressionGzip],
    // Compressing what goes out costs 4 to 7 times the CPU of sending it, for readers on this host.
    compressMinBytes: 0xffff_ffff,
    readMaxBytes: options.limits.maxMessageBytes,
    interceptors: [
      (next) => async (request) => {
        try {
          return await next(request);
        } catch (error) {
          throw typedLibraryError(error);
        }
      },
    ],
  });
  for (const registration of options.registrations) {
    for (const method of registration.service.methods) {
      addMethod(router, registration, method, options);
    }
  }
  const byPath = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));

  return (request, response) => {
    const path = (request.url ?? "").split("?", 1)[0] ?? "";
    const handler = byPath.get(path);
    if (handler === undefined) return false;
    const values = createContextValues().set(responseKey, response);
    handler(universalRequestFromNodeRequest(request, response, undefined, values))
      .then(typedErrorResponse)
      .then((answer) => universalResponseToNodeResponse(answer, response))
      .catch((error: unknown) => {
        // Mostly a client that went away in the middle; its handler has been told by its signal.
        options.log.debug({ err: error, path }, "an HTTP answer could not be sent");
        response.destroy();
      });
    return true;
  };
}

function addMethod(
  router: ConnectRouter,
  registration: Registration,
  method: DescMethod,
  options: TransportOptions,
): void {
  const handler = handlerOf(registration, method);
  const { access } = options;
  const requestGate = (context: HandlerContext) => {
    try {
      access.check(context.requestHeader.get("authorization") ?? undefined);
    } catch (error) {
      throw connectError(error);
    }
  };
  const gate = registration.open ? {} : { requestGate };
  switch (method.methodKind) {
    case "unary":
      router.rpc(method, answerUnary(method, handler, options) as MethodImpl<typeof method>, gate);
      break;
    case "server_streaming":
      router.rpc(method, answerStream(method, handler, options) as MethodImpl<typeof method>, gate);
      break;
    default:
    // Streams of requests need HTTP/2.
  }
}

function answerUnary(method: DescMethod, handler: AnyHandler, options: TransportOptions) {
  return async (request: Message, connect: HandlerContext): Promise<Message> => {
    let opened: Call | undefined;
    try {
      opened = openCall(connect, false, options);
      return await opened.race(handler(request, opened.context));
    } catch (error) {
      logFailure(error, method, options.log);
      throw connectError(error);
    } finally {
      opened?.end();
    }
  };
}

function answerStream(method: DescMethod, handler: AnyHandler, options: TransportOptions) {
  return async function* (request: Message, connect: HandlerContext): AsyncIterable<Message> {
    let opened: Call | undefined;
    let answers: Answers<Message> | undefined;
    let stalled: NodeJS.Timeout | undefined;
    try {
      const call = openCall(connect, true, options);
      opened = call;
      const { signal } = call.context;
      // Suspended at a yield that nobody resumes, this generator never sees its `finally`.
      signal.addEventListener("abort", () => {
        clearTimeout(stalled);
        call.end();
      });
      answers = pullAnswers<Message>(handler(request, call.context), signal);
      for (;;) {
        const message = await answers.next();
        if (message === undefined) return;
        // Its close aborts the call's signal like that of any client that went away.
        const hangUp = () => connect.values.get(responseKey)?.destroy();
        stalled = setTimeout(hangUp, options.limits.stalledReaderMs).unref();
        yield message;
        clearTimeout(stalled);
      }
    } catch (error) {
      logFailure(error, method, options.log);
      throw connectError(error);
    } finally {
      clearTimeout(stalled);
      answers?.release();
      opened?.end();
    }
  };
}

function openCall(connect: HandlerContext, isStream: boolean, options: TransportOptions): Call {
  const left = connect.timeoutMs();
  const opened = options.calls.open({
    isStream,
    principal: options.access.principal,
    ...(left === undefined ? {} : { deadline: Date.now() + left }),
  });
  const end = () => {
    const { reason } = connect.signal;
    const isLate = reason instanceof ConnectError && reason.code === Code.DeadlineExceeded;
    opened.abort(() => callEnded(isLate ? "DEADLINE_EXCEEDED" : "CANCELLED"));
  };
  // Also aborts at a call's ordinary end, when nobody listens any more.
  if (connect.signal.aborted) end();
  else connect.signal.addEventListener("abort", end, { once: true });
  return opened;
}
