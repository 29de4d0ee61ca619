import type { WorkspaceRuntime } from "../../gen/workspace/runtime/v1/workspace_runtime_pb.ts";
import { RuntimeError } from "../errors.ts";
import type { ServiceHandlers } from "./handler.ts";

/** Methods of the contract that this version answers with NOT_IMPLEMENTED, whatever is asked. */
export const notImplementedMethods = [] as const satisfies readonly (keyof ServiceHandlers<typeof WorkspaceRuntime>)[];

type NotImplementedHandlers = Pick<
  ServiceHandlers<typeof WorkspaceRuntime>,
  (typeof notImplementedMethods)[number]
>;

export function createNotImplementedHandlers(): NotImplementedHandlers {
  const refusals = notImplementedMethods.map((method) => [
    method,
    () => {
      throw notImplemented(method.replace(/^./, (letter) => letter.toUpperCase()));
    },
  ]);
  return Object.fromEntries(refusals) as NotImplementedHandlers;
}

export function notImplemented(what: string): RuntimeError {
  return new RuntimeError("NOT_IMPLEMENTED", `${what} is not part of this version of the server`);
}
