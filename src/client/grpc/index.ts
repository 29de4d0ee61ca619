export { createGrpcClient } from "./client.ts";
export { createGrpcTransport } from "./transport.ts";
