import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  StreamLogsRequestSchema,
  StreamLogsResponse,
} from "../../gen/workspace/runtime/v1/log_pb.ts";
import type { RuntimeMethods } from "./methods.ts";
import { cutShort, type ResumeOptions, resume } from "./resume.ts";

/**
 * Streams a log over lost connections and restarts of the server: every byte once, in order, until the message with
 * `end`. Follows unless the request says `follow: false`; then it ends with what is there. Heartbeats and empty
 * messages are left out. An abort of `signal` ends it quietly.
 *
 * What ends it otherwise is thrown: SERVICE_NOT_FOUND, CURSOR_EXPIRED, … Keep the `cursor` of the last message to go
 * on in another process.
 */
export async function* followLogs(
  client: Pick<RuntimeMethods, "streamLogs">,
  request: MessageInitShape<typeof StreamLogsRequestSchema>,
  options: ResumeOptions = {},
): AsyncGenerator<StreamLogsResponse, void, undefined> {
  let next = { ...request, follow: request.follow ?? true };

  async function* attempt(signal: AbortSignal): AsyncGenerator<StreamLogsResponse> {
    for await (const message of client.streamLogs(next, { signal })) {
      if (message.cursor !== "")
        next = { ...next, start: { case: "cursor", value: message.cursor } };
      yield message;
      if (message.event.case === "end") return;
    }
    if (next.follow) throw cutShort();
  }

  for await (const message of resume(attempt, options)) {
    if (message.chunks.length > 0 || message.event.case === "gap" || message.event.case === "end") {
      yield message;
    }
  }
}
