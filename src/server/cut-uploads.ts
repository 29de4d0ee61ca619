import type { ServerHttp2Stream } from "node:http2";
import type { ServerInterceptingCall, ServerInterceptor } from "@grpc/grpc-js";

/**
 * Takes no new calls on a connection on which a request was cut off, by its caller or because it is too large: those
 * under way go on, and clients open another one by themselves. Node seems to miscount the memory of such a connection,
 * and from then on refuses each new call on it with ENHANCE_YOUR_CALM, for as long as it stands: one request
 * of 5 MB was enough (Node 24).
 */
export const leaveCutUploads: ServerInterceptor = (_method, call) => {
  const { stream } = call as unknown as { readonly stream?: ServerHttp2Stream };
  stream?.once("aborted", () => {
    if (!stream.readableEnded) stream.session?.close();
  });
  return call as unknown as ServerInterceptingCall;
};

/** For a request of which no more is read. */
export function leaveConnection(call: object): void {
  (call as { readonly stream?: ServerHttp2Stream }).stream?.session?.close();
}
