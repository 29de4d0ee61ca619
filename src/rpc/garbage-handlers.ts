import { create } from "@bufbuild/protobuf";
import {
  CollectGarbageRequestSchema,
  CollectGarbageResponseSchema,
} from "../../gen/workspace/runtime/v1/info_pb.ts";
import type { CollectGarbage } from "../upkeep/collect-garbage.ts";
import { actorFromMessage } from "./convert/actor.ts";
import { msFromDuration } from "./convert/time.ts";
import type { Handlers } from "./handlers.ts";
import { validateRequest } from "./validate.ts";

export function createGarbageHandlers(collect: CollectGarbage): Pick<Handlers, "collectGarbage"> {
  return {
    async collectGarbage(request) {
      validateRequest(CollectGarbageRequestSchema, request);
      const { dryRun, companyId, serviceAge, operationAge, rescueAge } = request;
      const actor = actorFromMessage(request.actor);
      const result = await collect({
        dryRun,
        companyId,
        ...(serviceAge && { serviceAgeMs: msFromDuration(serviceAge) }),
        ...(operationAge && { operationAgeMs: msFromDuration(operationAge) }),
        ...(rescueAge && { rescueAgeMs: msFromDuration(rescueAge) }),
        ...(actor && { actor }),
      });
      return create(CollectGarbageResponseSchema, {
        services: BigInt(result.services),
        operations: BigInt(result.operations),
        rescues: BigInt(result.rescues),
        instances: BigInt(result.instances),
        logFiles: BigInt(result.logFiles),
        logBytes: BigInt(result.logBytes),
        warnings: [...result.warnings],
      });
    },
  };
}
