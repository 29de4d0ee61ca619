import type { DescMessage } from "@bufbuild/protobuf";
import type { UnaryRequest, UnaryResponse } from "@connectrpc/connect";
import type { Client } from "@grpc/grpc-js";
import { codecOf } from "./codec.ts";
import { connectErrorOf } from "./connect-error-of.ts";
import { copyMetadata, metadataOf } from "./metadata.ts";

/** One unary call; rejects with ConnectError. Cancelled when the request's signal aborts. */
export function unaryCall<I extends DescMessage, O extends DescMessage>(
  client: Client,
  { method, service, message, header: sent, signal }: UnaryRequest<I, O>,
  deadline: number,
): Promise<UnaryResponse<I, O>> {
  const { path, serialize, deserialize } = codecOf(method);
  const header = new Headers();
  const trailer = new Headers();
  return new Promise((resolve, reject) => {
    const call = client.makeUnaryRequest(
      path,
      serialize,
      deserialize,
      message,
      metadataOf(sent),
      { deadline },
      (error, answer) => {
        signal.removeEventListener("abort", onAbort);
        if (error) reject(connectErrorOf(error));
        else if (answer) {
          resolve({ stream: false, service, method, header, trailer, message: answer });
        }
      },
    );
    const onAbort = () => call.cancel();
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
    call.on("metadata", (metadata) => copyMetadata(metadata, header));
    // Comes after the callback, and before anybody who waits for the promise goes on.
    call.on("status", (status) => copyMetadata(status.metadata, trailer));
  });
}
