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

export function ensuredToMessage(
  result: EnsureResult,
): MessageShape<typeof EnsureServicesResponseSchema> {
  return create(EnsureServicesResponseSchema, {
    services: result.services.map(({ service, reused }) => serviceToMessage(service, reused)),
    failures: result.failures.map(serviceFailureToMessage),
    readyComment: result.readyComment,
    runEnv: { ...result.runEnv },
  });
}
