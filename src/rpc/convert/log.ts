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
import type { LogLabels } from "../../runs/log-source.ts";
import { exitToMessage } from "./failure.ts";
import { timestampOrAbsent } from "./time.ts";

type ChunkMessage = MessageShape<typeof LogChunkSchema>;

/** Text where it is text, so that a terminal shows words; bytes otherwise. Nothing is altered in either. */
export function chunkToMessage(labels: LogLabels, chunk: LogChunk): ChunkMessage {
  const message = create(LogChunkSchema, {
    serviceId: labels.serviceId,
    serviceName: labels.serviceName,
    operationId: labels.operationId,
    stream: LogStream[chunk.stream],
    chunkTime: timestampOrAbsent(chunk.time),
    instance: chunk.instance,
    partial: chunk.partial,
  });
  message.content = isUtf8(chunk.bytes)
    ? new Text(chunk.bytes)
    : { case: "data", value: chunk.bytes as Uint8Array<ArrayBuffer> };
  return message;
}

/** The content as the bytes that go on the wire; undefined when the chunk has none. */
export function rawContent({ content }: ChunkMessage): Uint8Array | undefined {
  if (content instanceof Text) return content.bytes;
  return content.case === "text" ? Buffer.from(content.value) : content.value;
}

/** Valid UTF-8 that becomes a string only for who wants one: gRPC wants the bytes. */
class Text {
  readonly case = "text";
  readonly bytes: Buffer;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  get value(): string {
    return this.bytes.toString("utf8");
  }
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
