import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { Code, ConnectError, type StreamRequest, type StreamResponse } from "@connectrpc/connect";
import type { Client } from "@grpc/grpc-js";
import { codecOf } from "./codec.ts";
import { connectErrorOf } from "./connect-error-of.ts";
import { copyMetadata, metadataOf } from "./metadata.ts";
import { pullMessages } from "./pull-messages.ts";

/** One server stream; resolves with its header. Cancelled when the request's signal aborts. */
export async function streamCall<I extends DescMessage, O extends DescMessage>(
  client: Client,
  { method, service, message: requests, header: sent, signal }: StreamRequest<I, O>,
  deadline: number,
): Promise<StreamResponse<I, O>> {
  const { path, serialize, deserialize } = codecOf(method);
  const request = await only(requests);
  const header = new Headers();
  const trailer = new Headers();
  const call = client.makeServerStreamRequest<MessageShape<I>, MessageShape<O>>(
    path,
    serialize,
    deserialize,
    request,
    metadataOf(sent),
    { deadline },
  );
  const onAbort = () => call.cancel();
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) onAbort();
  const messages = pullMessages(call);
  await new Promise<void>((resolve, reject) => {
    call.once("metadata", (metadata) => {
      copyMetadata(metadata, header);
      resolve();
    });
    call.once("status", (status) => {
      signal.removeEventListener("abort", onAbort);
      copyMetadata(status.metadata, trailer);
      // An answer of trailers alone has no metadata; its error comes first.
      resolve();
    });
    call.once("error", (error) => reject(connectErrorOf(error)));
  });
  return { stream: true, service, method, header, trailer, message: messages };
}

async function only<T>(requests: AsyncIterable<T>): Promise<T> {
  for await (const request of requests) return request;
  throw new ConnectError("a server stream needs a request", Code.InvalidArgument);
}
