import { create, type MessageShape } from "@bufbuild/protobuf";
import {
  ChangeSchema,
  ChangeType,
  ResourceKind,
  WatchStatusRequestSchema,
  WatchStatusResponseSchema,
} from "../../gen/workspace/runtime/v1/watch_pb.ts";
import type { WatchMessage, WatchOptions } from "../events/watch.ts";
import type { Change } from "../model/change.ts";
import { enumListReader } from "./convert/enums.ts";
import { leaseToMessage } from "./convert/lease.ts";
import { operationToMessage } from "./convert/operation.ts";
import { projectWorkspaceToMessage } from "./convert/project-workspace.ts";
import { serviceToMessage } from "./convert/service.ts";
import { workspaceToMessage } from "./convert/workspace.ts";
import type { Handlers } from "./handlers.ts";
import { validateRequest } from "./validate.ts";

/** What the composition root makes of `watchChanges`: the rest of its options is the server's. */
export type Watch = (
  options: Pick<WatchOptions, "filter" | "cursor" | "noFold" | "signal">,
) => AsyncIterable<WatchMessage>;

const kindsFromValues = enumListReader(ResourceKind);

export function createWatchHandlers(watch: Watch): Pick<Handlers, "watchStatus"> {
  return {
    async *watchStatus(request, { signal }) {
      validateRequest(WatchStatusRequestSchema, request);
      const messages = watch({
        filter: {
          companyId: request.companyId,
          projectWorkspaceIds: request.projectWorkspaceIds,
          workspaceIds: request.workspaceIds,
          serviceIds: request.serviceIds,
          runIds: request.runIds,
          kinds: kindsFromValues(request.kinds),
        },
        cursor: request.cursor,
        noFold: request.noFold,
        signal,
      });
      for await (const message of messages) {
        yield watchToMessage(message);
      }
    },
  };
}

type WatchStatusResponse = MessageShape<typeof WatchStatusResponseSchema>;

const responses = new WeakMap<WatchMessage, WatchStatusResponse>();

/** One response for one message, which goes to all watchers who see the same. */
function watchToMessage(message: WatchMessage): WatchStatusResponse {
  let response = responses.get(message);
  if (response === undefined) {
    response = create(WatchStatusResponseSchema, {
      changes: message.changes.map(changeToMessage),
      cursor: message.cursor,
      snapshotComplete: message.snapshotComplete,
      heartbeat: message.heartbeat,
    });
    responses.set(message, response);
  }
  return response;
}

const messages = new WeakMap<Change, MessageShape<typeof ChangeSchema>>();

/** One message for one change: all watchers who see it as it is get the same. */
function changeToMessage(change: Change): MessageShape<typeof ChangeSchema> {
  let message = messages.get(change);
  if (message === undefined) {
    message = create(ChangeSchema, {
      type: ChangeType[change.type],
      resource: resourceToMessage(change),
      revision: BigInt(change.revision),
    });
    messages.set(change, message);
  }
  return message;
}

function resourceToMessage(change: Change) {
  switch (change.kind) {
    case "PROJECT_WORKSPACE":
      return {
        case: "projectWorkspace" as const,
        value: projectWorkspaceToMessage(change.resource),
      };
    case "WORKSPACE":
      return { case: "workspace" as const, value: workspaceToMessage(change.resource) };
    case "SERVICE":
      return { case: "service" as const, value: serviceToMessage(change.resource) };
    case "OPERATION":
      return { case: "operation" as const, value: operationToMessage(change.resource) };
    case "LEASE":
      return { case: "lease" as const, value: leaseToMessage(change.resource) };
  }
}
