import { create, type MessageShape } from "@bufbuild/protobuf";
import { ErrorReason } from "../../../gen/workspace/runtime/v1/error_reason_pb.ts";
import {
  DiagnosisSchema,
  ServiceExitSchema,
  ServiceFailureSchema,
  StateReason,
} from "../../../gen/workspace/runtime/v1/service_pb.ts";
import type { ServiceFailure } from "../../errors.ts";
import type { Diagnosis, ServiceExit } from "../../model/service.ts";
import { timestampOrAbsent } from "./time.ts";

export function serviceFailureToMessage(
  failure: ServiceFailure,
): MessageShape<typeof ServiceFailureSchema> {
  return create(ServiceFailureSchema, {
    serviceName: failure.serviceName,
    serviceId: failure.serviceId ?? "",
    reason: ErrorReason[failure.reason],
    message: failure.message,
    diagnosis: failure.diagnosis && diagnosisToMessage(failure.diagnosis),
    exit: failure.exit && exitToMessage(failure.exit),
  });
}

export function diagnosisToMessage(diagnosis: Diagnosis): MessageShape<typeof DiagnosisSchema> {
  return create(DiagnosisSchema, {
    reason: diagnosis.reason,
    lastProbeError: diagnosis.lastProbeError ?? "",
    outputTail: diagnosis.outputTail ?? "",
    listeningPorts: [...(diagnosis.listeningPorts ?? [])],
    portOwnerPid: diagnosis.portOwnerPid,
  });
}

export function exitToMessage(exit: ServiceExit): MessageShape<typeof ServiceExitSchema> {
  return create(ServiceExitSchema, {
    code: exit.code,
    signal: exit.signal ?? "",
    exitTime: timestampOrAbsent(exit.exitTime),
    reason: StateReason[exit.reason ?? "UNSPECIFIED"],
  });
}
