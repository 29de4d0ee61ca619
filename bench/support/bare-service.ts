import type { ServiceDefinition } from "@grpc/grpc-js";

const bytes = (value: Buffer) => value;
const opaque = {
  requestStream: false,
  requestSerialize: bytes,
  requestDeserialize: bytes,
  responseSerialize: bytes,
  responseDeserialize: bytes,
} as const;

/** Opaque messages: one back as it came, or a stream of them, asked for with `{size, count}` as JSON. */
export const bareService = {
  echo: { ...opaque, path: "/bench.Bare/Echo", responseStream: false },
  stream: { ...opaque, path: "/bench.Bare/Stream", responseStream: true },
} satisfies ServiceDefinition;
