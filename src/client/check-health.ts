import { createClient as createConnectClient } from "@connectrpc/connect";
import {
  Health,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from "../../gen/grpc/health/v1/health_pb.ts";
import { createTransport, type TransportOptions } from "./transport.ts";

export type HealthState = "SERVING" | "NOT_SERVING";

/**
 * Asks the server whether it serves (`grpc.health.v1`), which needs no token. A server that cannot be found or
 * reached, or does not answer within `timeoutMs` (default 5 s), is an error.
 */
export async function checkHealth(
  options: TransportOptions & { readonly timeoutMs?: number } = {},
): Promise<HealthState> {
  const { transport, close } = createTransport(options);
  try {
    const health = createConnectClient(Health, transport);
    const { status } = await health.check({}, { timeoutMs: options.timeoutMs ?? 5_000 });
    return status === ServingStatus.SERVING ? "SERVING" : "NOT_SERVING";
  } finally {
    close();
  }
}
