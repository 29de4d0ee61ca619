import { create, type MessageShape } from "@bufbuild/protobuf";
import {
  PrepareRunRequestSchema,
  PrepareRunResponseSchema,
  PrepareRunResultSchema,
} from "../../gen/workspace/runtime/v1/run_pb.ts";
import { RealizeWorkspaceRequestSchema } from "../../gen/workspace/runtime/v1/workspace_pb.ts";
import type { PrepareRequest } from "../runs/prepare-request.ts";
import type { PrepareEvent } from "../runs/prepare-run.ts";
import { ensuredToMessage, ensureFromMessage } from "./convert/ensure.ts";
import { chunkToMessage } from "./convert/log.ts";
import { operationToMessage } from "./convert/operation.ts";
import { realizedToMessage, realizeFromMessage } from "./convert/realize.ts";
import { serviceToMessage } from "./convert/service.ts";
import type { Handlers } from "./handlers.ts";
import { validateRequest } from "./validate.ts";

/** What the composition root makes of `prepareRun`. */
export type Prepare = (request: PrepareRequest, signal: AbortSignal) => AsyncIterable<PrepareEvent>;

export function createPrepareHandlers(prepare: Prepare): Pick<Handlers, "prepareRun"> {
  return {
    async *prepareRun(request, { signal }) {
      validateRequest(PrepareRunRequestSchema, request, ["realize"]);
      const { realize = create(RealizeWorkspaceRequestSchema), ensure } = request;
      const asked = {
        realize: realizeFromMessage(realize),
        ...(ensure === undefined ? {} : { ensure: ensureFromMessage(ensure) }),
      };
      for await (const event of prepare(asked, signal)) {
        yield create(PrepareRunResponseSchema, { event: eventToMessage(event) });
      }
    },
  };
}

function eventToMessage(
  event: PrepareEvent,
): MessageShape<typeof PrepareRunResponseSchema>["event"] {
  switch (event.kind) {
    case "operation":
      return { case: "operation", value: operationToMessage(event.operation) };
    case "service":
      return { case: "service", value: serviceToMessage(event.service) };
    case "log":
      return { case: "log", value: chunkToMessage(event.labels, event.chunk) };
    case "result": {
      const { realized, ensured } = event.result;
      const value = create(PrepareRunResultSchema, {
        realized: realizedToMessage(realized),
        ...(ensured === undefined ? {} : { ensured: ensuredToMessage(ensured) }),
      });
      return { case: "result", value };
    }
    case "heartbeat":
      return { case: undefined };
  }
}
