import type { DescMethod, DescService } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel as Level } from "@bufbuild/protobuf/wkt";
import { RuntimeError } from "../errors.ts";
import type { CallContext } from "../rpc/context.ts";
import type { ServiceHandlers } from "../rpc/handler.ts";
import { createRace } from "./answer.ts";
import type { AnyHandler } from "./registration.ts";

/** Holds back what changes something until the server knows which services live. */
export interface Gate {
  /** Lets everyone who waits through, and all later calls. */
  open(): void;
  /** Refuses everyone who waits, and all later calls. */
  close(reason: Error): void;
  /** Resolves once open; throws STARTING_UP after `waitMs`, or the signal's reason. */
  pass(signal: AbortSignal): Promise<void>;
}

/** @param waitMs how long a call waits at most. */
export function createGate(waitMs: number): Gate {
  const waiting = new Set<(reason?: Error) => void>();
  let isOpen = false;
  let closed: Error | undefined;
  const settle = (reason?: Error) => {
    for (const one of waiting) one(reason);
    waiting.clear();
  };
  return {
    open() {
      isOpen = true;
      settle();
    },
    close(reason) {
      closed = reason;
      settle(reason);
    },
    async pass(signal) {
      if (closed !== undefined) throw closed;
      if (isOpen) return;
      let timer: NodeJS.Timeout | undefined;
      let mine = (_reason?: Error) => {};
      const opened = new Promise<void>((resolve, reject) => {
        mine = (reason) => (reason === undefined ? resolve() : reject(reason));
        waiting.add(mine);
        timer = setTimeout(() => reject(startingUp()), waitMs);
      });
      try {
        await createRace(signal)(opened);
      } finally {
        clearTimeout(timer);
        waiting.delete(mine);
      }
    },
  };
}

/** The handlers with those of changing methods behind the gate. */
export function behindGate<S extends DescService>(
  service: S,
  handlers: ServiceHandlers<S>,
  gate: Gate,
): ServiceHandlers<S> {
  const table = handlers as Readonly<Record<string, AnyHandler>>;
  const gated = service.methods.map((method) => {
    const handler = table[method.localName] as AnyHandler;
    return [method.localName, isRead(method) ? handler : gatedHandler(method, handler, gate)];
  });
  return Object.fromEntries(gated) as ServiceHandlers<S>;
}

function gatedHandler(method: DescMethod, handler: AnyHandler, gate: Gate): AnyHandler {
  if (method.methodKind === "unary") {
    return async (request, context: CallContext) => {
      await gate.pass(context.signal);
      return handler(request, context);
    };
  }
  return async function* (request, context: CallContext) {
    await gate.pass(context.signal);
    yield* handler(request, context);
  };
}

/** Streams carry no level that says so, but these two only look. */
function isRead(method: DescMethod): boolean {
  return (
    method.idempotency === Level.NO_SIDE_EFFECTS ||
    method.name === "WatchStatus" ||
    method.name === "StreamLogs"
  );
}

function startingUp(): RuntimeError {
  return new RuntimeError(
    "STARTING_UP",
    "the server is still finding out which services live; reads are answered already",
  );
}
