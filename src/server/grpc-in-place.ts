import type { ServerInterceptingCall, ServerInterceptor } from "@grpc/grpc-js";
import type { Encoded } from "../rpc/encode.ts";

/** A byte for the compression, four for the length. */
const FRAME_HEAD_BYTES = 5;

/**
 * Spares a streamed message the allocation and the copy of its frame, where it can be framed as it lies.
 * The library offers no way to: the method that makes a frame is its own affair. One that has no such
 * method, or does not use it, copies as ever.
 */
export const sendInPlace: ServerInterceptor = (method, call) => {
  if (method.responseStream) {
    const framing = call as unknown as { serializeMessage?(message: Encoded): Buffer };
    const copy = framing.serializeMessage?.bind(call);
    if (copy !== undefined) framing.serializeMessage = (message) => frame(message) ?? copy(message);
  }
  return call as unknown as ServerInterceptingCall;
};

function frame(message: Encoded): Buffer | undefined {
  const framed = message.inPlace?.(FRAME_HEAD_BYTES);
  if (framed === undefined) return undefined;
  framed.writeUInt8(0, 0);
  framed.writeUInt32BE(message.byteLength, 1);
  return framed;
}
