import { create } from "@bufbuild/protobuf";
import {
  ListLeasesRequestSchema,
  ListLeasesResponseSchema,
} from "../../gen/workspace/runtime/v1/lease_pb.ts";
import {
  EnsureServicesRequestSchema,
  ReleaseRunRequestSchema,
  ReleaseRunResponseSchema,
  RenewRunRequestSchema,
  RenewRunResponseSchema,
} from "../../gen/workspace/runtime/v1/run_pb.ts";
import type { Services } from "../services/services.ts";
import { actorFromMessage } from "./convert/actor.ts";
import { ensuredToMessage, ensureFromMessage } from "./convert/ensure.ts";
import { leaseToMessage } from "./convert/lease.ts";
import { serviceToMessage } from "./convert/service.ts";
import { stopReceiptToMessage } from "./convert/stop-receipt.ts";
import { msFromDuration } from "./convert/time.ts";
import type { Handlers } from "./handlers.ts";
import { type CursorAt, pageFields, pageRequest } from "./pages.ts";
import { validateRequest } from "./validate.ts";

type RunHandlers = Pick<Handlers, "ensureServices" | "renewRun" | "releaseRun" | "listLeases">;

export function createRunHandlers(services: Services, cursorAt: CursorAt): RunHandlers {
  return {
    async ensureServices(request, { signal }) {
      validateRequest(EnsureServicesRequestSchema, request, ["run_id", "workspace_id"]);
      const result = await services.ensure(ensureFromMessage(request), signal);
      return ensuredToMessage(result);
    },

    async renewRun(request) {
      validateRequest(RenewRunRequestSchema, request, ["run_id"]);
      const ttl = request.leaseTtl && msFromDuration(request.leaseTtl);
      const leases = await services.renewRun(request.runId, ttl);
      return create(RenewRunResponseSchema, { leases: leases.map(leaseToMessage) });
    },

    async listLeases(request) {
      validateRequest(ListLeasesRequestSchema, request);
      const { companyId, runIds, serviceIds, workspaceIds } = request;
      const filter = { companyId, runIds, serviceIds, workspaceIds };
      const page = await services.listLeases(filter, pageRequest(request));
      return create(ListLeasesResponseSchema, {
        leases: page.items.map(leaseToMessage),
        ...pageFields(page, cursorAt),
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
