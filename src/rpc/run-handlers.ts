import { create } from "@bufbuild/protobuf";
import {
  EnsureServicesRequestSchema,
  EnsureServicesResponseSchema,
  ReleaseRunRequestSchema,
  ReleaseRunResponseSchema,
} from "../../gen/workspace/runtime/v1/run_pb.ts";
import type { Services } from "../services/services.ts";
import { actorFromMessage, agentFromMessage, issueFromMessage } from "./convert/actor.ts";
import { serviceFailureToMessage } from "./convert/failure.ts";
import { present } from "./convert/present.ts";
import { serviceToMessage } from "./convert/service.ts";
import { specFromMessage } from "./convert/service-spec.ts";
import { stopReceiptToMessage } from "./convert/stop-receipt.ts";
import { msFromDuration } from "./convert/time.ts";
import type { Handlers } from "./handlers.ts";
import { validateRequest } from "./validate.ts";

type RunHandlers = Pick<Handlers, "ensureServices" | "releaseRun">;

export function createRunHandlers(services: Services): RunHandlers {
  return {
    async ensureServices(request, { signal }) {
      validateRequest(EnsureServicesRequestSchema, request, ["run_id", "workspace_id"]);
      const result = await services.ensure(
        present({
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
        }),
        signal,
      );
      return create(EnsureServicesResponseSchema, {
        services: result.services.map(({ service, reused }) => serviceToMessage(service, reused)),
        failures: result.failures.map(serviceFailureToMessage),
        readyComment: result.readyComment,
        runEnv: { ...result.runEnv },
      });
    },

    async releaseRun(request, { signal }) {
      validateRequest(ReleaseRunRequestSchema, request, ["run_id"]);
      const actor = actorFromMessage(request.actor);
      const result = await services.releaseRun(request.runId, actor, signal);
      return create(ReleaseRunResponseSchema, {
        released: result.released.map((service) => serviceToMessage(service)),
        stopped: result.stopped.map(stopReceiptToMessage),
      });
    },
  };
}
