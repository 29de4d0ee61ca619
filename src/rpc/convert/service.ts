import { create, type MessageShape } from "@bufbuild/protobuf";
import {
  HealthStatus,
  Lifecycle,
  Provider,
  ScopeType,
  ServiceSchema,
  ServiceState,
  StateReason,
} from "../../../gen/workspace/runtime/v1/service_pb.ts";
import type { Service } from "../../model/service.ts";
import { enumListReader, enumReader } from "./enums.ts";
import { diagnosisToMessage, exitToMessage } from "./failure.ts";
import { stopPolicyToMessage } from "./stop-policy.ts";
import { timestampOrAbsent } from "./time.ts";

export const healthFromValue = enumReader(HealthStatus);
export const lifecycleFromValue = enumReader(Lifecycle);
export const scopeTypeFromValue = enumReader(ScopeType);
export const serviceStateFromValue = enumReader(ServiceState);
export const scopeTypesFromValues = enumListReader(ScopeType);
export const providersFromValues = enumListReader(Provider);
export const serviceStatesFromValues = enumListReader(ServiceState);

type ServiceMessage = MessageShape<typeof ServiceSchema>;

const plainMessages = new WeakMap<Service, ServiceMessage>();
const reusedMessages = new WeakMap<Service, ServiceMessage>();

/**
 * One message for one record, not to be changed by anybody. `reused` stands only in answers to the call
 * that asked for the service.
 */
export function serviceToMessage(service: Service, reused = false): ServiceMessage {
  const messages = reused ? reusedMessages : plainMessages;
  let message = messages.get(service);
  if (message === undefined) {
    message = createMessage(service, reused);
    messages.set(service, message);
  }
  return message;
}

function createMessage(service: Service, reused: boolean): ServiceMessage {
  return create(ServiceSchema, {
    serviceId: service.serviceId,
    companyId: service.companyId,
    projectId: service.projectId,
    projectWorkspaceId: service.projectWorkspaceId,
    workspaceId: service.workspaceId,
    issueId: service.issueId,
    serviceName: service.serviceName,
    state: ServiceState[service.state],
    health: HealthStatus[service.health],
    stateReason: StateReason[service.stateReason ?? "UNSPECIFIED"],
    stateMessage: service.stateMessage,
    lifecycle: Lifecycle[service.lifecycle],
    scopeType: ScopeType[service.scopeType],
    scopeId: service.scopeId,
    reuseKey: service.reuseKey,
    command: service.command,
    cwd: service.cwd,
    port: service.port,
    ports: { ...service.ports },
    url: service.url,
    provider: Provider[service.provider],
    providerRef: service.providerRef,
    ownerAgentId: service.ownerAgentId,
    startedByRunId: service.startedByRunId,
    leaseRunIds: [...service.leaseRunIds],
    stopPolicy: stopPolicyToMessage(service.stopPolicy),
    exit: service.exit && exitToMessage(service.exit),
    instance: service.instance,
    restartCount: service.restartCount,
    nodeId: service.nodeId,
    startTime: timestampOrAbsent(service.startTime),
    readyTime: timestampOrAbsent(service.readyTime),
    stopTime: timestampOrAbsent(service.stopTime),
    lastUsedTime: timestampOrAbsent(service.lastUsedTime),
    createTime: timestampOrAbsent(service.createTime),
    updateTime: timestampOrAbsent(service.updateTime),
    revision: BigInt(service.revision),
    reused,
    diagnosis: service.diagnosis && diagnosisToMessage(service.diagnosis),
  });
}
