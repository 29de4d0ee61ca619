import type { DescMethod, DescService } from "@bufbuild/protobuf";
import type { ServiceHandlers } from "../rpc/handler.ts";

/** A service and the functions that answer it, as both transports take them. */
export interface Registration {
  readonly service: DescService;
  readonly handlers: Readonly<Record<string, AnyHandler>>;
  /** Answered without a token. Default false. */
  readonly open?: boolean;
}

/** A handler whose message types are known only to its descriptor. */
// biome-ignore lint/suspicious/noExplicitAny: the one place where the typed table meets the generic transports.
export type AnyHandler = (request: any, context: any) => any;

export function register<S extends DescService>(
  service: S,
  handlers: ServiceHandlers<S>,
  options: { open?: boolean } = {},
): Registration {
  return { service, handlers: handlers as Readonly<Record<string, AnyHandler>>, ...options };
}

export function handlerOf(registration: Registration, method: DescMethod): AnyHandler {
  const handler = registration.handlers[method.localName];
  if (handler === undefined) {
    throw new Error(`${registration.service.typeName}.${method.name} has no handler`);
  }
  return handler;
}
