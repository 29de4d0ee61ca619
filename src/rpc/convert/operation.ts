import { create, type JsonObject, type MessageShape } from "@bufbuild/protobuf";
import {
  OperationPhase,
  OperationSchema,
  OperationStatus,
} from "../../../gen/workspace/runtime/v1/operation_pb.ts";
import type { Operation } from "../../model/operation.ts";
import { actorToMessage } from "./actor.ts";
import { enumListReader } from "./enums.ts";
import { timestampOrAbsent } from "./time.ts";

export const operationStatusesFromValues = enumListReader(OperationStatus);

export function operationToMessage(operation: Operation): MessageShape<typeof OperationSchema> {
  return create(OperationSchema, {
    operationId: operation.operationId,
    companyId: operation.companyId,
    workspaceId: operation.workspaceId,
    projectWorkspaceId: operation.projectWorkspaceId,
    serviceIds: [...operation.serviceIds],
    actor: operation.actor && actorToMessage(operation.actor),
    issueId: operation.issueId,
    phase: OperationPhase[operation.phase],
    command: operation.command,
    message: operation.message,
    cwd: operation.cwd,
    status: OperationStatus[operation.status],
    exitCode: operation.exitCode,
    metadata: operation.metadata as JsonObject,
    stdoutExcerpt: operation.stdoutExcerpt,
    stderrExcerpt: operation.stderrExcerpt,
    stdoutBytes: BigInt(operation.stdoutBytes),
    stderrBytes: BigInt(operation.stderrBytes),
    startTime: timestampOrAbsent(operation.startTime),
    endTime: timestampOrAbsent(operation.endTime),
    revision: BigInt(operation.revision),
  });
}
