import { createServer, type Server } from "node:http";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { createSystemClock } from "../../src/clock.ts";
import type { Probe } from "../../src/model/service-spec.ts";
import { awaitReady, type PortOwner } from "../../src/services/readiness/await-ready.ts";
import type { ProbeTarget } from "../../src/services/readiness/probe-target.ts";

async function listening(server: Pick<Server, "listen" | "address" | "close">): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

function http(
  port: number,
  more: Partial<Extract<ProbeTarget, { kind: "http" }>> = {},
): ProbeTarget {
  const url = new URL(`http://127.0.0.1:${port}/health`);
  return { kind: "http", url, port, expectedStatuses: [], headers: {}, ...more };
}

function ready(target: ProbeTarget, probe: Probe = {}, owner: PortOwner = { kind: "own" }) {
  return awaitReady({
    target,
    probe: { timeoutMs: 500, ...probe },
    clock: createSystemClock(),
    ownerOf: async () => owner,
    waiting: () => 1,
    signal: new AbortController().signal,
  });
}

describe("waiting for a service to be ready", () => {
  it("takes any 2xx, and waits through 503", async () => {
    let asked = 0;
    const port = await listening(
      createServer((_, response) => {
        asked += 1;
        response.writeHead(asked < 4 ? 503 : 204).end();
      }),
    );
    expect(await ready(http(port))).toEqual({ ready: true });
    expect(asked).toBe(4);
  });

  it("follows no redirect, and takes a listed status", async () => {
    const port = await listening(
      createServer((_, response) => response.writeHead(302, { location: "/" }).end()),
    );
    expect(await ready(http(port))).toMatchObject({
      ready: false,
      error: expect.stringContaining("302"),
    });
    expect(await ready(http(port, { expectedStatuses: [302] }))).toEqual({ ready: true });
  });

  it("is bounded when a server accepts and never answers", async () => {
    const port = await listening(
      createTcpServer((socket) => socket.on("error", () => {})) as unknown as Server,
    );
    const begun = performance.now();
    const outcome = await ready(http(port), { timeoutMs: 300, attemptTimeoutMs: 100 });
    expect(outcome).toMatchObject({
      ready: false,
      error: expect.stringContaining("did not answer"),
    });
    expect(performance.now() - begun).toBeLessThan(2_000);
  });

  it("says that nothing listens when nothing does", async () => {
    const port = await listening(createServer());
    expect(await ready({ kind: "tcp", port: port === 1 ? 2 : 1 }, { timeoutMs: 50 })).toMatchObject(
      {
        ready: false,
        reason: "PORT_CLOSED",
      },
    );
  });

  it("does not take another process's listener for the service's, unless it was told to", async () => {
    const port = await listening(createServer((_, response) => response.end()));
    const foreign: PortOwner = { kind: "foreign", pid: 7 };
    expect(await ready({ kind: "tcp", port }, { timeoutMs: 100 }, foreign)).toMatchObject({
      ready: false,
      reason: "FOREIGN_LISTENER",
      error: expect.stringContaining("listener: ANY"),
    });
    expect(await ready({ kind: "tcp", port }, { listener: "ANY" }, foreign)).toEqual({
      ready: true,
    });
  });

  it("ends with the signal's reason when the process is gone", async () => {
    const gone = new AbortController();
    const waiting = awaitReady({
      target: { kind: "tcp", port: 1 },
      probe: {},
      clock: createSystemClock(),
      ownerOf: async () => ({ kind: "own" }),
      waiting: () => 1,
      signal: gone.signal,
    });
    gone.abort(new Error("gone"));
    await expect(waiting).rejects.toThrow();
  });
});
