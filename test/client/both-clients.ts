import { createGrpcClient } from "../../src/client/grpc/index.ts";
import { createClient } from "../../src/client/index.ts";

/** The clients on Connect and on grpc-js, for `describe.each`: what holds for one holds for the other. */
export const bothClients = [
  { name: "createClient", create: createClient },
  { name: "createGrpcClient", create: createGrpcClient },
] as const;
