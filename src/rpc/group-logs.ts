import { create, type MessageShape } from "@bufbuild/protobuf";
import {
  LogHeartbeatSchema,
  ReadLogsResponseSchema,
  StreamLogsResponseSchema,
} from "../../gen/workspace/runtime/v1/log_pb.ts";
import type { FollowGroupOptions, GroupBatch } from "../runs/follow-group.ts";
import { chunkToMessage, endToMessage, gapToMessage } from "./convert/log.ts";

/** What the composition root makes of `followGroup`: the rest of what it needs is the server's. */
export type LogGroups = (options: FollowGroupOptions) => AsyncIterable<GroupBatch>;

type StreamMessage = MessageShape<typeof StreamLogsResponseSchema>;

/** The messages of StreamLogs for a run or a workspace. */
export async function* streamGroup(
  batches: AsyncIterable<GroupBatch>,
): AsyncGenerator<StreamMessage> {
  for await (const batch of batches) {
    yield create(StreamLogsResponseSchema, {
      cursor: batch.cursor,
      chunks: batch.chunks.map(({ labels, chunk }) => chunkToMessage(labels, chunk)),
      event: eventOf(batch),
    });
  }
}

function eventOf({ gap, heartbeat, end }: GroupBatch): StreamMessage["event"] {
  if (gap !== undefined) return { case: "gap", value: gapToMessage(gap.labels, gap.gap) };
  // Several sources have no one exit.
  if (end) return { case: "end", value: endToMessage({}) };
  return heartbeat ? { case: "heartbeat", value: create(LogHeartbeatSchema) } : { case: undefined };
}

/** One page of ReadLogs, of batches that do not follow: a gap, if there is one, and what comes behind it. */
export async function readGroupPage(
  batches: AsyncIterable<GroupBatch>,
): Promise<MessageShape<typeof ReadLogsResponseSchema>> {
  let gap: GroupBatch["gap"];
  let cursor = "";
  let chunks: GroupBatch["chunks"] = [];
  for await (const batch of batches) {
    if (batch.end) {
      return create(ReadLogsResponseSchema, { ...page(), end: endToMessage({}) });
    }
    // What more there is begins the next page.
    if (chunks.length > 0 || (gap !== undefined && batch.gap !== undefined)) break;
    cursor = batch.cursor;
    chunks = batch.chunks;
    gap ??= batch.gap;
  }
  return create(ReadLogsResponseSchema, page());

  function page() {
    return {
      chunks: chunks.map(({ labels, chunk }) => chunkToMessage(labels, chunk)),
      gap: gap && gapToMessage(gap.labels, gap.gap),
      cursor,
    };
  }
}
