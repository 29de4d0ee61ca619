import { timestampMs } from "@bufbuild/protobuf/wkt";
import {
  followLogs,
  type Operation,
  OperationPhase,
  OperationStatus,
  ResourceKind,
  type RuntimeClient,
  type Service,
  type StreamLogsRequest,
  watchStatus,
} from "../client/index.ts";
import { LIVE_STATES } from "./find-service.ts";
import type { UpOutput } from "./up-output.ts";
import { stateOf } from "./words.ts";

export interface RunFollower {
  /** Resolves once changes are seen: what is asked of the server from here on is shown. */
  readonly watching: Promise<void>;
  /** Resolves when all services of the run have ended, or rejects when they cannot be followed. */
  readonly ended: Promise<void>;
}

/** Shows what happens in a run until `signal`: its operations, its services' states and what they write. */
export function followRun(
  client: RuntimeClient,
  runId: string,
  output: UpOutput,
  signal: AbortSignal,
): RunFollower {
  const watching = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<void>();
  const begun = Date.now();
  const shown = new Map<string, string>();
  const services = new Map<string, Service>();
  const readers: Promise<void>[] = [];

  const read = async (name: string, request: Pick<StreamLogsRequest, "source" | "start">) => {
    const lines = output.lines(name);
    for await (const message of followLogs(client, request, { signal })) await lines.push(message);
    await lines.flush();
  };

  const onService = async (service: Service) => {
    const { serviceId, serviceName } = service;
    const isNew = !services.has(serviceId);
    services.set(serviceId, service);
    const state = stateOf(service);
    if (shown.get(serviceId) !== state) {
      shown.set(serviceId, state);
      await output.service(service);
    }
    if (isNew) {
      // Of one that was joined, the past is another run's.
      const joined = service.createTime !== undefined && timestampMs(service.createTime) < begun;
      const start = joined
        ? ({ case: "tailLines", value: 5 } as const)
        : ({ case: undefined } as const);
      const reader = read(serviceName, { source: { case: "serviceId", value: serviceId }, start });
      readers.push(reader.catch(ended.reject));
    }
    if ([...services.values()].every((one) => !LIVE_STATES.includes(one.state))) {
      await Promise.all(readers);
      ended.resolve();
    }
  };

  const onOperation = async (operation: Operation) => {
    const { operationId, status, phase } = operation;
    if (phase === OperationPhase.SERVICE_CONTROL) return;
    const isNew = !shown.has(operationId);
    if (isNew && operation.command !== "") await output.note(`$ ${operation.command}`);
    if (isNew && phase === OperationPhase.WORKSPACE_PROVISION) {
      const source = { case: "operationId", value: operationId } as const;
      const reader = read("provision", { source, start: { case: undefined } });
      readers.push(reader.catch(ended.reject));
    }
    const wasRunning = shown.get(operationId) !== "ended";
    shown.set(operationId, status === OperationStatus.RUNNING ? "running" : "ended");
    if (wasRunning && status !== OperationStatus.RUNNING && operation.message !== "") {
      await output.note(operation.message);
    }
  };

  const watch = async () => {
    const request = { runIds: [runId], kinds: [ResourceKind.SERVICE, ResourceKind.OPERATION] };
    for await (const update of watchStatus(client, request, {
      signal,
      onRetry: () => void output.note("connection to the server lost, trying again"),
    })) {
      for (const { resource } of update.changes) {
        if (resource.case === "service") await onService(resource.value);
        if (resource.case === "operation") await onOperation(resource.value);
      }
      if (update.snapshotComplete) watching.resolve();
    }
  };
  // Without an error it ends by the signal: then nobody shall wait any longer.
  watch().then(
    () => [watching, ended].map(({ resolve }) => resolve()),
    (error: unknown) => [watching, ended].map(({ reject }) => reject(error)),
  );
  // Either may fail while nobody waits for it yet.
  watching.promise.catch(() => {});
  ended.promise.catch(() => {});
  return { watching: watching.promise, ended: ended.promise };
}
