import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Change, WatchStatusRequestSchema } from "../../gen/workspace/runtime/v1/watch_pb.ts";
import { errorDetails } from "./error-details.ts";
import type { RuntimeMethods } from "./methods.ts";
import { cutShort, type ResumeOptions, resume } from "./resume.ts";

export interface StatusUpdate {
  /** A snapshot begins with this update: forget what was known before. */
  readonly reset: boolean;
  readonly changes: readonly Change[];
  /** The snapshot is complete with this update; what follows are changes. */
  readonly snapshotComplete: boolean;
  /** Where to go on in another process; "" within a snapshot. */
  readonly cursor: string;
}

/**
 * Watches over lost connections and restarts of the server: a snapshot, then each change once. Where the server no
 * longer keeps the changes since then, a new snapshot begins (`reset`). Heartbeats are left out. Ends only by `signal`,
 * quietly; errors other than a lost connection are thrown.
 */
export async function* watchStatus(
  client: Pick<RuntimeMethods, "watchStatus">,
  request: MessageInitShape<typeof WatchStatusRequestSchema> = {},
  options: ResumeOptions = {},
): AsyncGenerator<StatusUpdate, void, undefined> {
  let cursor = request.cursor ?? "";

  async function* attempt(signal: AbortSignal): AsyncGenerator<StatusUpdate | undefined> {
    let inSnapshot = cursor === "";
    let reset = inSnapshot;
    try {
      for await (const message of client.watchStatus({ ...request, cursor }, { signal })) {
        if (message.snapshotComplete) inSnapshot = false;
        // A cursor from within a snapshot would lose the rest of it.
        if (!inSnapshot && message.cursor !== "") cursor = message.cursor;
        const { changes, snapshotComplete } = message;
        if (changes.length > 0 || snapshotComplete) {
          yield { reset, changes, snapshotComplete, cursor: inSnapshot ? "" : cursor };
          reset = false;
        } else yield undefined;
      }
    } catch (error) {
      if (errorDetails(error).reason !== "CURSOR_EXPIRED" || cursor === "") throw error;
      cursor = "";
    }
    throw cutShort();
  }

  for await (const update of resume(attempt, options)) if (update !== undefined) yield update;
}
