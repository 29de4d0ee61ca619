import { setTimeout as sleep } from "node:timers/promises";
import {
  create,
  type DescMessage,
  type MessageInitShape,
  type MessageShape,
} from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import {
  type CallPolicy,
  DEFAULT_MAX_ATTEMPTS,
  isAway,
  isRepeatable,
  timeoutOf,
} from "./call-policy.ts";
import { retryDelayMs } from "./retry-delay.ts";

/**
 * The same transport, with deadlines for unary calls and further tries while the server is away, for calls that may
 * be repeated. One deadline holds for all tries: where the next would come after it, the last error is thrown.
 * Streams are passed on as they are; `followLogs`, `watchStatus` and `prepareRun` resume them.
 */
export function withPolicy(transport: Transport, policy: CallPolicy): Transport {
  const { maxAttempts = DEFAULT_MAX_ATTEMPTS } = policy;
  return {
    stream: (...call) => transport.stream(...call),
    async unary(method, signal, timeoutMs, header, input, contextValues) {
      const message = withRequestId(method.input, input);
      const attempts = isRepeatable(method) || hasRequestId(message) ? maxAttempts : 1;
      const limitMs = timeoutOf(method, timeoutMs, policy);
      const deadline = limitMs === undefined ? undefined : performance.now() + limitMs;
      for (let tries = 0; ; tries++) {
        const leftMs = deadline === undefined ? NO_DEADLINE : msUntil(deadline);
        try {
          return await transport.unary(method, signal, leftMs, header, message, contextValues);
        } catch (error) {
          if (tries + 1 >= attempts || signal?.aborted || !isAway(error)) throw error;
          const delayMs = retryDelayMs(error, tries);
          if (deadline !== undefined && performance.now() + delayMs >= deadline) throw error;
          await pause(delayMs, signal);
        }
      }
    },
  };
}

const NO_DEADLINE = 0;

/** Whole and above 0, as it travels. */
function msUntil(deadline: number): number {
  return Math.max(1, Math.ceil(deadline - performance.now()));
}

/** A Start or Restart without a `request_id` gets one: so it may be repeated as well, and runs once. */
function withRequestId<Desc extends DescMessage>(
  desc: Desc,
  input: MessageInitShape<Desc>,
): MessageShape<Desc> {
  const message = create(desc, input);
  if (!("requestId" in message) || hasRequestId(message)) return message;
  // A copy: the caller may send its message again, and mean it.
  return { ...message, requestId: crypto.randomUUID() };
}

function hasRequestId(message: object): boolean {
  return "requestId" in message && message.requestId !== "";
}

async function pause(delayMs: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await sleep(delayMs, undefined, signal ? { signal } : {});
  } catch {
    throw ConnectError.from(signal?.reason, Code.Canceled);
  }
}
