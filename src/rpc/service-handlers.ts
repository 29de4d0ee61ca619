import { create, type MessageShape } from "@bufbuild/protobuf";
import {
  GetServiceRequestSchema,
  GetServiceResponseSchema,
  ListServicesRequestSchema,
  ListServicesResponseSchema,
  RestartServicesRequestSchema,
  RestartServicesResponseSchema,
  StartServicesRequestSchema,
  StartServicesResponseSchema,
  StopServicesRequestSchema,
  StopServicesResponseSchema,
} from "../../gen/workspace/runtime/v1/service_pb.ts";
import { RuntimeError } from "../errors.ts";
import type { ControlResult, ControlTarget, Services, StartRequest } from "../services/services.ts";
import { actorFromMessage } from "./convert/actor.ts";
import { serviceFailureToMessage } from "./convert/failure.ts";
import { operationToMessage } from "./convert/operation.ts";
import { present } from "./convert/present.ts";
import {
  providersFromValues,
  scopeTypesFromValues,
  serviceStatesFromValues,
  serviceToMessage,
} from "./convert/service.ts";
import { specFromMessage } from "./convert/service-spec.ts";
import { stopReceiptToMessage } from "./convert/stop-receipt.ts";
import { msFromDuration } from "./convert/time.ts";
import type { Handlers } from "./handlers.ts";
import { type CursorAt, pageFields, pageRequest } from "./pages.ts";
import { validateRequest } from "./validate.ts";

type ServiceHandlers = Pick<
  Handlers,
  "startServices" | "stopServices" | "restartServices" | "getService" | "listServices"
>;

export function createServiceHandlers(services: Services, cursorAt: CursorAt): ServiceHandlers {
  return {
    async startServices(request, { signal }) {
      validateRequest(StartServicesRequestSchema, request, ["target"]);
      const result = await services.start(
        present({
          target: startTarget(request.target),
          services: request.services.map(specFromMessage),
          serviceNames: request.serviceNames,
          adapterEnv: request.adapterEnv,
          requestId: request.requestId,
          noWait: request.noWait,
          actor: actorFromMessage(request.actor),
        }),
        signal,
      );
      return create(StartServicesResponseSchema, controlFields(result));
    },

    async stopServices(request, { signal }) {
      validateRequest(StopServicesRequestSchema, request, ["target"]);
      const result = await services.stop(
        present({
          target: stopTarget(request.target),
          serviceNames: request.serviceNames,
          force: request.force,
          graceMs: request.gracePeriod && msFromDuration(request.gracePeriod),
          actor: actorFromMessage(request.actor),
        }),
        signal,
      );
      return create(StopServicesResponseSchema, controlFields(result));
    },

    async restartServices(request, { signal }) {
      validateRequest(RestartServicesRequestSchema, request, ["target"]);
      const result = await services.restart(
        present({
          target: stopTarget(request.target),
          serviceNames: request.serviceNames,
          force: request.force,
          graceMs: request.gracePeriod && msFromDuration(request.gracePeriod),
          requestId: request.requestId,
          noWait: request.noWait,
          actor: actorFromMessage(request.actor),
        }),
        signal,
      );
      return create(RestartServicesResponseSchema, controlFields(result));
    },

    async getService(request) {
      validateRequest(GetServiceRequestSchema, request, ["service_id"]);
      const service = await services.get(request.serviceId);
      return create(GetServiceResponseSchema, { service: serviceToMessage(service) });
    },

    async listServices(request) {
      validateRequest(ListServicesRequestSchema, request);
      const page = await services.list(
        {
          companyId: request.companyId,
          projectId: request.projectId,
          projectWorkspaceIds: request.projectWorkspaceIds,
          workspaceIds: request.workspaceIds,
          issueIds: request.issueIds,
          runIds: request.runIds,
          serviceNames: request.serviceNames,
          scopeTypes: scopeTypesFromValues(request.scopeTypes),
          providers: providersFromValues(request.providers),
          states: serviceStatesFromValues(request.states),
          current: request.current,
        },
        pageRequest(request),
      );
      return create(ListServicesResponseSchema, {
        services: page.items.map((service) => serviceToMessage(service)),
        ...pageFields(page, cursorAt),
      });
    },
  };
}

function controlFields(result: ControlResult) {
  return {
    services: result.services.map(({ service, reused }) => serviceToMessage(service, reused)),
    stopped: result.stopped.map(stopReceiptToMessage),
    failures: result.failures.map(serviceFailureToMessage),
    operation: operationToMessage(result.operation),
  };
}

function startTarget(
  target: MessageShape<typeof StartServicesRequestSchema>["target"],
): StartRequest["target"] {
  switch (target.case) {
    case "workspaceId":
      return { kind: "workspace", workspaceId: target.value };
    case "projectWorkspaceId":
      return { kind: "project_workspace", projectWorkspaceId: target.value };
    default:
      throw noTarget();
  }
}

function stopTarget(
  target: MessageShape<typeof StopServicesRequestSchema>["target"],
): ControlTarget {
  return target.case === "serviceId"
    ? { kind: "service", serviceId: target.value }
    : startTarget(target);
}

/** The request's rules have refused it before: a defect. */
function noTarget(): RuntimeError {
  return new RuntimeError("INTERNAL", "a control request without a target passed validation");
}
