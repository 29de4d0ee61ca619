import { type DescMessage, type Message, toBinary } from "@bufbuild/protobuf";
import {
  type StreamLogsResponse,
  StreamLogsResponseSchema,
} from "../../gen/workspace/runtime/v1/log_pb.ts";
import { encodeStreamLogsResponse } from "./encode-logs.ts";
import { sharingEncoder } from "./encode-shared.ts";

/** A message's bytes, to be written where they are needed. A Buffer is one. */
export interface Encoded {
  readonly byteLength: number;
  /** Once, and not after `inPlace`. */
  copy(target: Uint8Array, start: number): unknown;
  /**
   * The message where its bytes lie, behind `room` bytes to fill in; undefined when that cannot be. They
   * are not to be touched until they were sent.
   */
  inPlace?(room: number): Buffer | undefined;
  /** Gives back what the bytes lie in. For a message that was sent, and only for that. */
  sent?(): void;
}

/** How answers of one type become bytes. */
export function encoderOf(desc: DescMessage): (message: Message) => Encoded {
  if (desc.typeName === StreamLogsResponseSchema.typeName) {
    return (message) => encodeStreamLogsResponse(message as StreamLogsResponse);
  }
  const sharing = sharingEncoder(desc);
  if (sharing !== undefined) return sharing;
  return (message) => {
    const bytes = toBinary(desc, message);
    // Fresh from the encoder and nobody else's: wrapped, not copied.
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  };
}
