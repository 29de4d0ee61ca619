import { create, type MessageShape } from "@bufbuild/protobuf";
import {
  LogStream,
  ReadLogsRequestSchema,
  ReadLogsResponseSchema,
  StreamLogsRequestSchema,
  StreamLogsResponseSchema,
} from "../../gen/workspace/runtime/v1/log_pb.ts";
import type { Clock } from "../clock.ts";
import { invalidField, RuntimeError } from "../errors.ts";
import { followLog } from "../logs/follow-log.ts";
import { encodeCursor } from "../logs/log-position.ts";
import type { LogStart } from "../logs/resolve-start.ts";
import type { LogSourceId, LogSources } from "../runs/log-source.ts";
import type { LogGroup } from "../runs/members.ts";
import { enumListReader } from "./convert/enums.ts";
import { chunkToMessage, endToMessage, gapToMessage } from "./convert/log.ts";
import { msFromTimestamp } from "./convert/time.ts";
import { MEMORY, type ReleasableLogs } from "./encode-logs.ts";
import { type LogGroups, readGroupPage, streamGroup } from "./group-logs.ts";
import type { Handlers } from "./handlers.ts";
import { validateRequest } from "./validate.ts";

const DEFAULT_PAGE_BYTES = 256 * 1024;
const LARGEST_PAGE_BYTES = 1024 * 1024;

const streamsFromValues = enumListReader(LogStream);

export function createLogHandlers(
  sources: LogSources,
  groups: LogGroups,
  clock: Clock,
): Pick<Handlers, "streamLogs" | "readLogs"> {
  return {
    async *streamLogs(request, { signal }) {
      validateRequest(StreamLogsRequestSchema, request, ["source"]);
      const start = startFromMessage(request.start);
      const streams = streamsFromValues(request.streams);
      const id = sourceFromMessage(request.source);
      if (isGroup(id)) {
        const { follow } = request;
        yield* streamGroup(groups({ group: id, start, streams, follow, signal }));
        return;
      }
      const source = await sources.open(id);
      // From here on every way out gives the hold back.
      const position = await source.log.position(start, streams).catch((error: unknown) => {
        source.log.release();
        throw error;
      });
      const cursor = encodeCursor(position);
      const batches = followLog(source.log, {
        clock,
        start: { kind: "cursor", cursor },
        streams,
        follow: request.follow,
        signal,
        ended: () => source.ended(),
      });
      // Something at once, or the caller's headers would wait for the first line.
      yield response({ cursor, event: { case: "heartbeat", value: {} } });
      for await (const batch of batches) {
        const { cursor } = batch;
        if (batch.gap !== undefined) {
          yield response({
            cursor,
            event: { case: "gap", value: gapToMessage(source, batch.gap) },
          });
        } else if (batch.chunks.length > 0) {
          const message: ReleasableLogs = response({
            cursor,
            chunks: batch.chunks.map((chunk) => chunkToMessage(source, chunk)),
          });
          const { release, headroom = 0 } = batch;
          if (release !== undefined) message[MEMORY] = { release, headroom };
          yield message;
        } else if (batch.heartbeat) {
          yield response({ cursor, event: { case: "heartbeat", value: {} } });
        }
        if (batch.end !== undefined) {
          yield response({ cursor, event: { case: "end", value: endToMessage(batch.end) } });
        }
      }
    },

    async readLogs(request, { signal }) {
      validateRequest(ReadLogsRequestSchema, request, ["source"]);
      const maxBytes = pageBytes(request.maxBytes);
      const start = startFromMessage(request.start);
      const streams = streamsFromValues(request.streams);
      const id = sourceFromMessage(request.source);
      if (isGroup(id)) {
        const options = { group: id, start, streams, follow: false, maxBytes, signal };
        return await readGroupPage(groups(options));
      }
      const source = await sources.open(id);
      try {
        // Before the reads: what they find to be the end was the end by then.
        const ended = source.ended();
        const first = await source.log.read(await source.log.position(start, streams), {
          streams,
          maxBytes,
        });
        // A gap stands alone in its batch; a page has it before its chunks.
        const batch =
          first.gap === undefined
            ? first
            : await source.log.read(first.position, { streams, maxBytes });
        const page = batch.gap === undefined ? batch : first;
        const rest = ended && (await source.log.read(page.position, { streams, maxBytes }));
        const isLast = rest !== undefined && rest.chunks.length === 0 && rest.gap === undefined;
        return create(ReadLogsResponseSchema, {
          chunks: page.chunks.map((chunk) => chunkToMessage(source, chunk)),
          gap: first.gap && gapToMessage(source, first.gap),
          cursor: page.cursor,
          end: ended && isLast ? endToMessage(ended) : undefined,
        });
      } finally {
        source.log.release();
      }
    },
  };
}

type StreamRequest = MessageShape<typeof StreamLogsRequestSchema>;

function response(init: Parameters<typeof create<typeof StreamLogsResponseSchema>>[1]) {
  return create(StreamLogsResponseSchema, init);
}

function sourceFromMessage(source: StreamRequest["source"]): LogSourceId | LogGroup {
  switch (source.case) {
    case "serviceId":
      return { kind: "service", serviceId: source.value };
    case "operationId":
      return { kind: "operation", operationId: source.value };
    case "runId":
      return { kind: "run", runId: source.value };
    case "workspaceId":
      return { kind: "workspace", workspaceId: source.value };
    default:
      // The request's rules have refused it before: a defect.
      throw new RuntimeError("INTERNAL", "a log request without a source passed validation");
  }
}

function isGroup(source: LogSourceId | LogGroup): source is LogGroup {
  return source.kind === "run" || source.kind === "workspace";
}

function startFromMessage(start: StreamRequest["start"]): LogStart {
  switch (start.case) {
    case "cursor":
      return { kind: "cursor", cursor: start.value };
    case "tailLines":
      if (start.value < 0) throw invalidField("tail_lines", "must not be negative");
      return { kind: "tail", lines: start.value };
    case "sinceTime":
      return { kind: "since", time: msFromTimestamp(start.value) };
    default:
      return { kind: "beginning" };
  }
}

function pageBytes(asked: number): number {
  if (asked < 0 || asked > LARGEST_PAGE_BYTES) {
    throw invalidField("max_bytes", `must be 0 to ${LARGEST_PAGE_BYTES}, not ${asked}`);
  }
  return asked === 0 ? DEFAULT_PAGE_BYTES : asked;
}
