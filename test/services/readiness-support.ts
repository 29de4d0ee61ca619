import type { Server as HttpServer, RequestListener } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo, Server } from "node:net";
import { onTestFinished } from "vitest";
import { createSystemClock } from "../../src/clock.ts";
import type { Probe } from "../../src/model/service-spec.ts";
import type { PortOwner, ProbeTools } from "../../src/services/readiness/ask.ts";
import { awaitReady } from "../../src/services/readiness/await-ready.ts";
import { createProbeHosts } from "../../src/services/readiness/probe-hosts.ts";
import type { ProbeTarget } from "../../src/services/readiness/probe-target.ts";

type HttpTarget = Extract<ProbeTarget, { kind: "http" }>;

/** Listens on a free port of loopback until the test is over. */
export async function listening(server: Server | HttpServer): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

export function serving(answer: RequestListener): Promise<number> {
  return listening(createServer(answer));
}

export function httpTarget(port: number, more: Partial<HttpTarget> = {}): HttpTarget {
  const url = new URL(`http://127.0.0.1:${port}/health`);
  return { kind: "http", url, port, expectedStatuses: [], headers: {}, expectJson: {}, ...more };
}

/** Tools that find every listener to be the service's own, and know no host but loopback. */
export function probeTools(more: Partial<ProbeTools> = {}): ProbeTools {
  const unexpected = () => Promise.reject(new Error("not asked for in this test"));
  return {
    hosts: createProbeHosts([]),
    ownerOf: async (): Promise<PortOwner> => ({ kind: "own" }),
    runCommand: unexpected,
    awaitLogLine: unexpected,
    ...more,
  };
}

export function ready(
  target: ProbeTarget,
  probe: Probe = {},
  tools: Partial<ProbeTools> = {},
  signal: AbortSignal = new AbortController().signal,
) {
  return awaitReady({
    target,
    probe: { timeoutMs: 500, ...probe },
    tools: probeTools(tools),
    clock: createSystemClock(),
    waiting: () => 1,
    signal,
  });
}
