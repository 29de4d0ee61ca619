import { type Client, createClient as createConnectClient } from "@connectrpc/connect";
import { WorkspaceRuntime } from "../../gen/workspace/runtime/v1/workspace_runtime_pb.ts";
import { createTransport, type TransportOptions } from "./transport.ts";

export interface ClientOptions extends TransportOptions {}

/** Every method of the contract, with the types of its messages. */
export type RuntimeMethods = Client<typeof WorkspaceRuntime>;

export interface RuntimeClient extends RuntimeMethods {
  /**
   * Ends the connection and what runs on it. Not needed for the process to end: an idle connection does not
   * hold it.
   */
  close(): void;
  [Symbol.dispose](): void;
}

/**
 * A client of one server. Nothing is connected before the first call. Which server: `socket` or `address`, else
 * `WORKSPACE_RUNTIME_ADDRESS`, else the one that runs with the data directory. Which token: `token`, else
 * `WORKSPACE_RUNTIME_TOKEN`, else the data directory's. A `dataDir` wins over the environment.
 * Calls fail with `ConnectError`; `errorDetails` reads it. No server to be found or reached is UNAVAILABLE.
 */
export function createClient(options: ClientOptions = {}): RuntimeClient {
  const { transport, close } = createTransport(options);
  const methods = createConnectClient(WorkspaceRuntime, transport);
  return { ...methods, close, [Symbol.dispose]: close };
}
