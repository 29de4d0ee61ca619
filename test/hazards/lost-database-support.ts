import { expect } from "vitest";
import type { ServiceState } from "../../gen/workspace/runtime/v1/service_pb.ts";
import { watchStatus } from "../../src/client/index.ts";
import { eventually } from "../support/eventually.ts";
import type { TestServer } from "../support/server.ts";

/** One StreamLogs call, never made again: what it gives while the store is away comes from the files. */
export function readNumbers({ client }: TestServer, serviceId: string) {
  const stop = new AbortController();
  let text = "";
  let ended: unknown;
  const reading = (async () => {
    const stream = client.streamLogs(
      { source: { case: "serviceId", value: serviceId }, follow: true },
      { signal: stop.signal },
    );
    for await (const { chunks, event } of stream) {
      if (event.case === "gap" || event.case === "end") throw new Error(event.case);
      for (const { content } of chunks) text += content.value;
    }
  })().catch((error: unknown) => {
    if (!stop.signal.aborted) ended = error;
  });
  return {
    /** What is written from now on arrives. */
    async more() {
      const before = text.length;
      await eventually(() => ended !== undefined || text.length > before + 40, {
        timeoutMs: 20_000,
      });
      expect(ended).toBeUndefined();
    },
    expectWhole() {
      const numbers = text.split("\n").slice(0, -1).map(Number);
      expect(numbers).toEqual(numbers.map((_, index) => index + 1));
    },
    async close() {
      stop.abort();
      await reading;
    },
  };
}

/** The states of a service as a watcher hears them, over lost connections. */
export function watchStates({ client }: TestServer, serviceId: string) {
  const stop = new AbortController();
  const heard: ServiceState[] = [];
  let ended: unknown;
  const watching = (async () => {
    for await (const { changes } of watchStatus(client, {}, { signal: stop.signal })) {
      for (const { resource } of changes) {
        if (resource.case === "service" && resource.value.serviceId === serviceId) {
          heard.push(resource.value.state);
        }
      }
    }
  })().catch((error: unknown) => {
    ended = error;
  });
  return {
    async seen(state: ServiceState) {
      await eventually(() => ended !== undefined || heard.includes(state), { timeoutMs: 20_000 });
      expect(ended).toBeUndefined();
    },
    async close() {
      stop.abort();
      await watching;
    },
  };
}
