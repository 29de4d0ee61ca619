import { create, type MessageShape } from "@bufbuild/protobuf";
import { StopProof, StopReceiptSchema } from "../../../gen/workspace/runtime/v1/service_pb.ts";
import type { StopReceipt } from "../../model/service.ts";
import { exitToMessage } from "./failure.ts";
import { durationFromMs } from "./time.ts";

export function stopReceiptToMessage(receipt: StopReceipt): MessageShape<typeof StopReceiptSchema> {
  return create(StopReceiptSchema, {
    serviceId: receipt.serviceId,
    signals: [...receipt.signals],
    escalated: receipt.escalated,
    processesEnded: receipt.processesEnded,
    survivors: receipt.survivors.map(({ pid, state, command }) => ({ pid, state, command })),
    duration: durationFromMs(receipt.durationMs),
    exit: receipt.exit && exitToMessage(receipt.exit),
    portsFree: receipt.portsFree,
    proof: StopProof[receipt.proof],
  });
}
