import { setTimeout as delay } from "node:timers/promises";
import { type Calls, shuttingDown } from "./calls.ts";
import type { Gate } from "./gate.ts";
import type { GrpcTransport } from "./grpc.ts";
import type { Health } from "./health.ts";
import type { Listener } from "./listener.ts";

export interface ShutdownOptions {
  /** How long calls in flight may take. Default 10 s. */
  readonly graceMs?: number;
}

/** How long the last answers may take to reach their readers. */
const FLUSH_MS = 250;

/** New connections stop at once, streams end with a hint to come back, calls in flight finish. */
export async function shutDown(
  parts: {
    readonly health: Health;
    readonly gate: Gate;
    readonly calls: Calls;
    readonly listeners: readonly Listener[];
    readonly grpcTransports: readonly GrpcTransport[];
  },
  { graceMs = 10_000 }: ShutdownOptions = {},
): Promise<void> {
  parts.health.setServing(false);
  // Who watches health hears of it before its stream ends.
  await new Promise((resolve) => setImmediate(resolve));
  parts.gate.close(shuttingDown());
  for (const listener of parts.listeners) listener.stopAccepting();
  await parts.calls.drain(graceMs);
  // After the calls: a session that is told to go away takes no new ones, and theirs are answered
  // with SHUTTING_DOWN, which says more than a refused stream.
  for (const transport of parts.grpcTransports) transport.goAway();
  const flushed = Promise.all(parts.listeners.map((listener) => listener.drained()));
  await Promise.race([flushed, delay(FLUSH_MS, undefined, { ref: false })]);
  await Promise.all(parts.listeners.map((listener) => listener.close()));
}
