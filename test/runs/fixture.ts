import { existsSync } from "node:fs";
import { join } from "node:path";
import { v7 as uuidv7 } from "uuid";
import { onTestFinished } from "vitest";
import { createHub } from "../../src/events/hub.ts";
import type { LogStreamName } from "../../src/logs/stream.ts";
import {
  type FollowGroupOptions,
  followGroup,
  type GroupBatch,
} from "../../src/runs/follow-group.ts";
import type { LogSourceId, LogSources } from "../../src/runs/log-source.ts";
import type { LeaseClaim } from "../../src/store/leases.ts";
import type { NewOperation } from "../../src/store/operations.ts";
import type { NewService } from "../../src/store/services.ts";
import { openStore } from "../../src/store/store.ts";
import { append, openLogs, systemClock, temporaryDirectory } from "../logs/support/log-fixture.ts";
import { newClaim, newOperation, newService, newWorkspace } from "../store/new-records.ts";

/** A real store and real logs; processes alone are missing: the test writes what they would. */
export async function startGroups() {
  const directory = await temporaryDirectory();
  const hub = createHub();
  const store = await openStore({
    database: { kind: "sqlite", path: join(directory, "store.db") },
    nodeId: "n1",
    clock: systemClock,
    onCommit: (changes) => hub.publish(changes),
  });
  onTestFinished(() => store.close());
  const logs = openLogs();
  const directoryOf = (source: LogSourceId) =>
    join(directory, source.kind === "service" ? source.serviceId : source.operationId);
  const opened: string[] = [];
  const sources: Pick<LogSources, "openLog"> = {
    async openLog(source, isOver) {
      const path = directoryOf(source);
      if (isOver && !existsSync(path)) return undefined;
      opened.push(path);
      return await logs.open(path);
    },
  };
  const deps = { store, hub, sources, clock: systemClock };

  const write = async (id: string, text: string, stream: LogStreamName = "STDOUT") => {
    const log = await logs.open(join(directory, id));
    await append(join(directory, id), stream, text);
    log.wake();
    log.release();
  };
  return {
    ...{ store, hub, logs, directory, opened, deps, write },
    async operation(more: Partial<NewOperation> = {}, text?: string) {
      const operationId = more.operationId ?? uuidv7();
      if (text !== undefined) await write(operationId, text);
      const startTime = Date.now();
      await store.operations.insert(newOperation({ startTime, ...more, operationId }));
      return operationId;
    },
    async endOperation(operationId: string) {
      await store.operations.update(operationId, { status: "SUCCEEDED", endTime: Date.now() });
    },
    /** Keeps the times of what is written from now on, as long as the test runs. */
    async record(id: string) {
      const log = await logs.open(join(directory, id));
      const recording = await log.record(1);
      onTestFinished(() => recording.stop());
      log.release();
    },
    async service(more: Partial<NewService> = {}) {
      const serviceId = more.serviceId ?? uuidv7();
      await store.services.insert(newService({ ...more, serviceId }));
      return serviceId;
    },
    lease: (more: Partial<LeaseClaim>) => store.leases.acquire(newClaim(more)),
    workspace: (workspaceId = "w1") => store.workspaces.insert(newWorkspace({ workspaceId })),
    /** From the beginning, live, until the test ends. */
    follow(group: FollowGroupOptions["group"], more: Partial<FollowGroupOptions> = {}) {
      const abort = new AbortController();
      onTestFinished(() => abort.abort());
      const batches = followGroup(deps, {
        ...{ group, streams: [], follow: true, start: { kind: "beginning" } },
        signal: abort.signal,
        ...more,
      });
      return { batches, abort: () => abort.abort() };
    },
  };
}

export const run = { kind: "run", runId: "r1" } as const;
export const workspace = { kind: "workspace", workspaceId: "w1" } as const;

/** Pulls until `enough` says so or the following ends. */
export async function pull(
  batches: AsyncGenerator<GroupBatch>,
  enough: (text: string, all: readonly GroupBatch[]) => boolean = () => false,
): Promise<GroupBatch[]> {
  const all: GroupBatch[] = [];
  for (;;) {
    const { value, done } = await batches.next();
    if (done) return all;
    all.push(value);
    if (enough(textOf(all), all)) return all;
  }
}

/** What was told, of all or of one source. */
export function textOf(batches: readonly GroupBatch[], id?: string): string {
  return batches
    .flatMap(({ chunks }) => chunks)
    .filter(
      ({ labels }) => id === undefined || labels.serviceId === id || labels.operationId === id,
    )
    .map(({ chunk }) => chunk.bytes.toString())
    .join("");
}

export function cursorOf(batches: readonly GroupBatch[]) {
  return { kind: "cursor", cursor: batches.at(-1)?.cursor ?? "" } as const;
}
