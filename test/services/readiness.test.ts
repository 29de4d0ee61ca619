import { createServer as createTcpServer } from "node:net";
import { describe, expect, it } from "vitest";
import type { PortOwner } from "../../src/services/readiness/ask.ts";
import { httpTarget, listening, ready, serving } from "./readiness-support.ts";

describe("waiting for a service to be ready", () => {
  it("takes any 2xx, and waits through 503", async () => {
    let asked = 0;
    const port = await serving((_, response) => {
      asked += 1;
      response.writeHead(asked < 4 ? 503 : 204).end();
    });
    expect(await ready(httpTarget(port), { timeoutMs: 20_000 })).toEqual({ ok: true });
    expect(asked).toBe(4);
  });

  it("is bounded when a server accepts and never answers", async () => {
    const port = await listening(createTcpServer((socket) => socket.on("error", () => {})));
    const begun = performance.now();
    const outcome = await ready(httpTarget(port), { timeoutMs: 1_500, attemptTimeoutMs: 300 });
    expect(outcome).toMatchObject({
      ok: false,
      reason: "PROBE_TIMEOUT",
      error: expect.stringContaining("did not answer"),
    });
    expect(performance.now() - begun).toBeLessThan(10_000);
  });

  it("tells what was wrong, not that the deadline cut the last attempt short", async () => {
    let asked = 0;
    const port = await serving((_, response) => {
      asked += 1;
      if (asked === 1) response.writeHead(503).end();
    });
    const outcome = await ready(httpTarget(port), { timeoutMs: 3_000, attemptTimeoutMs: 30_000 });
    expect(asked).toBe(2);
    expect(outcome).toMatchObject({ ok: false, reason: "HTTP_STATUS" });
  });

  it("says that nothing listens when nothing does", async () => {
    expect(await ready({ kind: "tcp", port: 1 }, { timeoutMs: 1_000 })).toMatchObject({
      ok: false,
      reason: "PORT_CLOSED",
    });
  });

  it("does not take another process's listener for the service's, unless it was told to", async () => {
    const port = await serving((_, response) => response.end());
    const foreign: PortOwner = { kind: "foreign", pid: 7 };
    const tools = { ownerOf: async () => foreign };
    expect(await ready({ kind: "tcp", port }, { timeoutMs: 1_000 }, tools)).toMatchObject({
      ok: false,
      reason: "FOREIGN_LISTENER",
      error: expect.stringContaining("listener: ANY"),
      ownerPid: 7,
    });
    expect(await ready({ kind: "tcp", port }, { listener: "ANY" }, tools)).toEqual({ ok: true });
  });

  it("ends with the signal's reason when the process is gone", async () => {
    const gone = new AbortController();
    const waiting = ready({ kind: "tcp", port: 1 }, { timeoutMs: 60_000 }, {}, gone.signal);
    gone.abort(new Error("gone"));
    await expect(waiting).rejects.toThrow();
  });
});
