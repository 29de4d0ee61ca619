import type { CallPolicy } from "./call-policy.ts";
import { createMethods, type RuntimeClient } from "./methods.ts";
import { createTransport, type TransportOptions } from "./transport.ts";

/** Which server, and how calls are made that do not say it themselves. */
export interface ClientOptions extends TransportOptions, CallPolicy {}

/**
 * A client of one server. Nothing is connected before the first call. Which server: `socket` or `address`, else
 * `WORKSPACE_RUNTIME_ADDRESS`, else the one that runs with the data directory. Which token: `token`, else
 * `WORKSPACE_RUNTIME_TOKEN`, else the data directory's. A `dataDir` wins over the environment.
 * Calls fail with `ConnectError`; `errorDetails` reads it. No server to be found or reached is UNAVAILABLE, once the
 * tries of `CallPolicy` are used up.
 */
export function createClient(options: ClientOptions = {}): RuntimeClient {
  return createMethods(createTransport(options), options);
}
