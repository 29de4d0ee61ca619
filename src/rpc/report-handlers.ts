import { create, type MessageShape } from "@bufbuild/protobuf";
import {
  ReportServicesRequestSchema,
  ReportServicesResponseSchema,
  type ServiceReportSchema,
} from "../../gen/workspace/runtime/v1/service_pb.ts";
import type { ServiceReport, Services } from "../services/services.ts";
import { agentFromMessage, issueFromMessage } from "./convert/actor.ts";
import { present } from "./convert/present.ts";
import {
  healthFromValue,
  lifecycleFromValue,
  scopeTypeFromValue,
  serviceStateFromValue,
  serviceToMessage,
} from "./convert/service.ts";
import { stopPolicyFromMessage } from "./convert/stop-policy.ts";
import type { Handlers } from "./handlers.ts";
import { validateRequest } from "./validate.ts";

export function createReportHandlers(
  services: Pick<Services, "report">,
): Pick<Handlers, "reportServices"> {
  return {
    async reportServices(request, { signal }) {
      validateRequest(ReportServicesRequestSchema, request, ["adapter_type"]);
      const result = await services.report(
        present({
          adapterType: request.adapterType,
          companyId: request.companyId,
          projectId: request.projectId,
          projectWorkspaceId: request.projectWorkspaceId,
          runId: request.runId,
          workspaceId: request.workspaceId,
          cwd: request.cwd,
          agent: agentFromMessage(request.agent),
          issue: issueFromMessage(request.issue),
          reports: request.reports.map(reportFromMessage),
        }),
        signal,
      );
      return create(ReportServicesResponseSchema, {
        services: result.services.map((service) => serviceToMessage(service)),
        readyComment: result.readyComment,
      });
    },
  };
}

function reportFromMessage(message: MessageShape<typeof ServiceReportSchema>): ServiceReport {
  return present({
    id: message.id,
    serviceName: message.serviceName,
    projectId: message.projectId,
    projectWorkspaceId: message.projectWorkspaceId,
    issueId: message.issueId,
    scopeType: scopeTypeFromValue(message.scopeType),
    scopeId: message.scopeId,
    state: serviceStateFromValue(message.state),
    lifecycle: lifecycleFromValue(message.lifecycle),
    reuseKey: message.reuseKey,
    command: message.command,
    cwd: message.cwd,
    port: message.port,
    url: message.url,
    providerRef: message.providerRef,
    ownerAgentId: message.ownerAgentId,
    stopPolicy: stopPolicyFromMessage(message.stopPolicy),
    health: healthFromValue(message.health),
  });
}
