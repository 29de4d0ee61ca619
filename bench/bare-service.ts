import type { ServiceDefinition } from "@grpc/grpc-js";

const bytes = (value: Buffer) => value;

/** One stream of opaque messages: asked for with `{size, count}` as JSON. */
export const bareService = {
  stream: {
    path: "/bench.Bare/Stream",
    requestStream: false,
    responseStream: true,
    requestSerialize: bytes,
    requestDeserialize: bytes,
    responseSerialize: bytes,
    responseDeserialize: bytes,
  },
} satisfies ServiceDefinition;
