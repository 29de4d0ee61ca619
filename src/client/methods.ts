import {
  type CallOptions,
  type Client,
  Code,
  ConnectError,
  createClient as createConnectClient,
  type Transport,
} from "@connectrpc/connect";
import { WorkspaceRuntime } from "../../gen/workspace/runtime/v1/workspace_runtime_pb.ts";
import type { CallPolicy } from "./call-policy.ts";
import { createOpenCalls, type OpenCalls } from "./open-calls.ts";
import type { RuntimeTransport } from "./transport.ts";
import { withPolicy } from "./with-policy.ts";

/** Every method of the contract, with the types of its messages. */
export type RuntimeMethods = Client<typeof WorkspaceRuntime>;

export interface RuntimeClient extends RuntimeMethods {
  /**
   * Ends the connection, and with CANCELLED the calls on it. Not needed for the process to end: an idle
   * connection does not hold it. A later call opens a new one.
   */
  close(): void;
  [Symbol.dispose](): void;
}

/** A client over any transport: what the Connect and the grpc-js client have in common. */
export function createMethods(
  { transport, close: closeTransport }: RuntimeTransport,
  policy: CallPolicy,
): RuntimeClient {
  const calls = createOpenCalls();
  const methods = createConnectClient(
    WorkspaceRuntime,
    closable(withPolicy(transport, policy), calls),
  );
  const close = () => {
    calls.abortAll(new ConnectError("the client was closed", Code.Canceled));
    closeTransport();
  };
  return {
    ...methods,
    prepareRun: endingWhenLeft(methods.prepareRun, calls),
    streamLogs: endingWhenLeft(methods.streamLogs, calls),
    watchStatus: endingWhenLeft(methods.watchStatus, calls),
    close,
    [Symbol.dispose]: close,
  };
}

/** Unary calls, their waits between tries included, end when the client is closed; streams see to it below. */
function closable(transport: Transport, calls: OpenCalls): Transport {
  return {
    stream: (...call) => transport.stream(...call),
    async unary(method, signal, ...rest) {
      const call = calls.open(signal);
      try {
        return await transport.unary(method, call.signal, ...rest);
      } finally {
        call.end();
      }
    },
  };
}

/**
 * Leaving the loop over a stream ends its call. Connect's own client would let the server send on until the connection
 * ends, unless the caller aborts a signal. The call begins when the loop does.
 */
function endingWhenLeft<Request, Message>(
  method: (request: Request, options?: CallOptions) => AsyncIterable<Message>,
  calls: OpenCalls,
): (request: Request, options?: CallOptions) => AsyncIterable<Message> {
  return (request, options) => ({
    [Symbol.asyncIterator]() {
      const call = calls.open(options?.signal);
      const messages = method(request, { ...options, signal: call.signal })[Symbol.asyncIterator]();
      return {
        async next() {
          try {
            const result = await messages.next();
            if (result.done) call.end();
            return result;
          } catch (error) {
            call.end();
            throw error;
          }
        },
        async return() {
          call.end();
          call.abort();
          return { done: true, value: undefined };
        },
      };
    },
  });
}
