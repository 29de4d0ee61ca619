import { isUtf8 } from "node:buffer";
import { create, type MessageShape } from "@bufbuild/protobuf";
import {
  GapReason,
  LogChunkSchema,
  LogEndSchema,
  LogGapSchema,
  LogStream,
} from "../../../gen/workspace/runtime/v1/log_pb.ts";
import type { LogChunk, LogGap } from "../../logs/log-batch.ts";
import type { ServiceExit } from "../../model/service.ts";
import { exitToMessage } from "./failure.ts";
import { timestampOrAbsent } from "./time.ts";

/** Whose bytes they are; the parts that do not apply are "". */
export interface LogLabels {
  readonly serviceId: string;
  readonly serviceName: string;
  readonly operationId: string;
}

/** Text where it is text, so that a terminal shows words; bytes otherwise. Nothing is altered in either. */
export function chunkToMessage(
  labels: LogLabels,
  chunk: LogChunk,
): MessageShape<typeof LogChunkSchema> {
  return create(LogChunkSchema, {
    serviceId: labels.serviceId,
    serviceName: labels.serviceName,
    operationId: labels.operationId,
    stream: LogStream[chunk.stream],
    chunkTime: timestampOrAbsent(chunk.time),
    instance: chunk.instance,
    content: isUtf8(chunk.bytes)
      ? { case: "text", value: chunk.bytes.toString("utf8") }
      : { case: "data", value: chunk.bytes as Uint8Array<ArrayBuffer> },
    partial: chunk.partial,
  });
}

export function gapToMessage(labels: LogLabels, gap: LogGap): MessageShape<typeof LogGapSchema> {
  return create(LogGapSchema, {
    serviceId: labels.serviceId,
    operationId: labels.operationId,
    stream: LogStream[gap.stream],
    bytes: BigInt(gap.bytes),
    reason: GapReason[gap.reason],
  });
}

export function endToMessage(end: {
  readonly exit?: ServiceExit;
}): MessageShape<typeof LogEndSchema> {
  return create(LogEndSchema, { exit: end.exit && exitToMessage(end.exit) });
}
