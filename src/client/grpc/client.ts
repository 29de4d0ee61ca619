import type { ClientOptions } from "../client.ts";
import { createMethods, type RuntimeClient } from "../methods.ts";
import { createGrpcTransport } from "./transport.ts";

/**
 * The client of `createClient` on `@grpc/grpc-js` instead of Connect: the same options, methods, messages and errors, so
 * that callers change one for the other in this line alone. For processes that have grpc-js loaded already, or that
 * stream much.
 */
export function createGrpcClient(options: ClientOptions = {}): RuntimeClient {
  return createMethods(createGrpcTransport(options), options);
}
