import { create, type MessageShape } from "@bufbuild/protobuf";
import {
  type EnsureServicesRequestSchema,
  EnsureServicesResponseSchema,
} from "../../../gen/workspace/runtime/v1/run_pb.ts";
import type { EnsureRequest, EnsureResult } from "../../services/services.ts";
import { actorFromMessage, agentFromMessage, issueFromMessage } from "./actor.ts";
import { serviceFailureToMessage } from "./failure.ts";
import { present } from "./present.ts";
import { serviceToMessage } from "./service.ts";
import { specFromMessage } from "./service-spec.ts";
import { msFromDuration } from "./time.ts";

export function ensureFromMessage(
  request: MessageShape<typeof EnsureServicesRequestSchema>,
): EnsureRequest {
  return present({
    runId: request.runId,
    workspaceId: request.workspaceId,
    services: request.services.map(specFromMessage),
    fromConfig: request.fromConfig,
    serviceNames: request.serviceNames,
    agent: agentFromMessage(request.agent),
    issue: issueFromMessage(request.issue),
    adapterEnv: request.adapterEnv,
    leaseTtlMs: request.leaseTtl && msFromDuration(request.leaseTtl),
    noWait: request.noWait,
    actor: actorFromMessage(request.actor),
  });
}

type EnsureResponse = MessageShape<typeof EnsureServicesResponseSchema>;

const responses = new WeakMap<EnsureResult, EnsureResponse>();

/** One response for one result, which may be given again. */
export function ensuredToMessage(result: EnsureResult): EnsureResponse {
  let response = responses.get(result);
  if (response === undefined) {
    response = create(EnsureServicesResponseSchema, {
      services: result.services.map(({ service, reused }) => serviceToMessage(service, reused)),
      failures: result.failures.map(serviceFailureToMessage),
      readyComment: result.readyComment,
      runEnv: { ...result.runEnv },
    });
    responses.set(result, response);
  }
  return response;
}
