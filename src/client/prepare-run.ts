import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { LogChunk } from "../../gen/workspace/runtime/v1/log_pb.ts";
import type { Operation } from "../../gen/workspace/runtime/v1/operation_pb.ts";
import type {
  PrepareRunRequestSchema,
  PrepareRunResponse,
  PrepareRunResult,
} from "../../gen/workspace/runtime/v1/run_pb.ts";
import type { Service } from "../../gen/workspace/runtime/v1/service_pb.ts";
import { isAway } from "./call-policy.ts";
import { createLogRepeats } from "./log-repeats.ts";
import type { RuntimeMethods } from "./methods.ts";
import { cutShort, type ResumeOptions, resume } from "./resume.ts";

/** What is told while a run is prepared. Each is awaited before the next: a slow one holds the stream back. */
export interface PrepareRunOptions extends ResumeOptions {
  /** A command began or ended. */
  readonly onOperation?: ((operation: Operation) => unknown) | undefined;
  /** A service changed. */
  readonly onService?: ((service: Service) => unknown) | undefined;
  /** One of them wrote something. */
  readonly onLog?: ((chunk: LogChunk) => unknown) | undefined;
  /** Throw the last error after so long without a word from the server; default 60 s. */
  readonly giveUpAfterMs?: number | undefined;
}

/**
 * Realizes a run's workspace and ensures its services; resolves when all is ready. While the server is away
 * (UNAVAILABLE) it is called again, which joins what was begun: so name the workspace, or what identifies it, and the run.
 * All else that goes wrong is thrown as from RealizeWorkspace and EnsureServices; an abort of `signal` is CANCELLED, and
 * what was begun goes on.
 *
 * Over such calls no state is told twice, nor is a log that the server sends from its beginning again. One that it
 * sends from somewhere else may repeat lines, since chunks have no position; none is left out.
 */
export async function prepareRun(
  client: Pick<RuntimeMethods, "prepareRun">,
  request: MessageInitShape<typeof PrepareRunRequestSchema>,
  options: PrepareRunOptions = {},
): Promise<PrepareRunResult> {
  const { onOperation, onService, onLog, signal, giveUpAfterMs = 60_000 } = options;
  const repeats = createLogRepeats();
  const told = new Map<string, bigint>();

  const isNews = (id: string, revision: bigint) => {
    const before = told.get(id);
    if (before !== undefined && revision <= before) return false;
    told.set(id, revision);
    return true;
  };

  async function* attempt(call: AbortSignal): AsyncGenerator<PrepareRunResponse> {
    repeats.begin();
    for await (const message of client.prepareRun(request, { signal: call })) {
      yield message;
      if (message.event.case === "result") return;
    }
    throw cutShort();
  }

  for await (const { event } of resume(attempt, { ...options, giveUpAfterMs }, isAway)) {
    switch (event.case) {
      case "operation":
        if (isNews(event.value.operationId, event.value.revision)) await onOperation?.(event.value);
        break;
      case "service":
        if (isNews(event.value.serviceId, event.value.revision)) await onService?.(event.value);
        break;
      case "log": {
        const chunk = repeats.fresh(event.value);
        if (chunk !== undefined) await onLog?.(chunk);
        break;
      }
      case "result":
        return event.value;
    }
  }
  // `resume` ends quietly by the signal alone.
  throw ConnectError.from(signal?.reason, Code.Canceled);
}
