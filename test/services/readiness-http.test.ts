import type { IncomingMessage, ServerResponse } from "node:http";
import { describe, expect, it } from "vitest";
import { attemptHttp } from "../../src/services/readiness/attempt-http.ts";
import { jsonMismatch } from "../../src/services/readiness/expect-json.ts";
import { createProbeHosts } from "../../src/services/readiness/probe-hosts.ts";
import { httpTarget, serving } from "./readiness-support.ts";

const loopback = createProbeHosts([]);
/** Nothing here waits for it. */
const PATIENCE_MS = 20_000;

async function asked(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
  more: Parameters<typeof httpTarget>[1] = {},
) {
  const port = await serving(answer);
  return attemptHttp(httpTarget(port, more), loopback, PATIENCE_MS);
}

const redirect = (location: string) => (_: IncomingMessage, response: ServerResponse) =>
  void response.writeHead(302, { location }).end();

describe("an http probe", () => {
  it("is good for any 2xx, or for the listed statuses alone", async () => {
    const answers = (status: number) => (_: IncomingMessage, response: ServerResponse) =>
      void response.writeHead(status).end();
    expect(await asked(answers(204))).toEqual({ ok: true });
    expect(await asked(answers(401), { expectedStatuses: [200, 401] })).toEqual({ ok: true });
    expect(await asked(answers(200), { expectedStatuses: [401] })).toMatchObject({
      reason: "HTTP_STATUS",
      error: expect.stringMatching(/answered 200$/),
    });
  });

  it("follows redirects on loopback, also to another port", async () => {
    const other = await serving((_, response) => response.end("here"));
    expect(await asked(redirect(`http://localhost:${other}/elsewhere`))).toEqual({ ok: true });
    const relative = await asked((request, response) => {
      if (request.url === "/health") redirect("ok?now")(request, response);
      else response.writeHead(request.url === "/ok?now" ? 200 : 500).end();
    });
    expect(relative).toEqual({ ok: true });
  });

  it("does not follow a redirect that is the expected answer", async () => {
    expect(await asked(redirect("http://elsewhere.test/"), { expectedStatuses: [302] })).toEqual({
      ok: true,
    });
  });

  it("fails at a redirect away from here, and says where it pointed, without its secrets", async () => {
    const outcome = await asked(redirect("https://user:pass@elsewhere.test/login?token=secret"));
    expect(outcome).toMatchObject({
      reason: "HTTP_REDIRECT",
      error: expect.stringContaining("https://elsewhere.test/login"),
    });
    expect(JSON.stringify(outcome)).not.toMatch(/pass|secret/);
  });

  it("follows at most five", async () => {
    let count = 0;
    const outcome = await asked((request, response) => {
      count += 1;
      redirect("/again")(request, response);
    });
    expect(outcome).toMatchObject({ reason: "HTTP_REDIRECT", error: expect.stringMatching(/5/) });
    expect(count).toBe(6);
  });

  it("sends its headers to the service, and to nobody whom that points at", async () => {
    const seen: (string | undefined)[] = [];
    const other = await serving((request, response) => {
      seen.push(request.headers.authorization);
      response.end();
    });
    const answer = (request: IncomingMessage, response: ServerResponse) => {
      seen.push(request.headers.authorization);
      redirect(`http://127.0.0.1:${other}/`)(request, response);
    };
    await asked(answer, { headers: { authorization: "Bearer token" } });
    expect(seen).toEqual(["Bearer token", undefined]);
  });

  it("shows its URL without a query string or credentials when it fails", async () => {
    const port = await serving((_, response) => response.writeHead(500).end());
    const url = new URL(`http://user:pass@127.0.0.1:${port}/health?token=secret`);
    const outcome = await attemptHttp(httpTarget(port, { url }), loopback, PATIENCE_MS);
    expect(outcome).toMatchObject({ error: `http://127.0.0.1:${port}/health answered 500` });
  });

  it("takes a connection that breaks for a failure, and a closed port for what it is", async () => {
    expect(await asked((request) => request.socket.destroy())).toMatchObject({
      reason: "HTTP_FAILED",
    });
    expect(await attemptHttp(httpTarget(1), loopback, PATIENCE_MS)).toMatchObject({
      reason: "PORT_CLOSED",
    });
  });

  it("asks for values in the JSON body, by keys and indices", async () => {
    const body = { ready: true, checks: [{ name: "db", status: "ok" }], load: 0.5, last: null };
    const answer = (_: IncomingMessage, response: ServerResponse) =>
      void response.end(JSON.stringify(body));
    const expectJson = { ready: "true", "checks.0.status": "ok", load: "0.5", last: "null" };
    expect(await asked(answer, { expectJson })).toEqual({ ok: true });
    expect(await asked(answer, { expectJson: { "checks.0.status": "down" } })).toMatchObject({
      reason: "HTTP_BODY",
      error: expect.stringContaining('checks.0.status is "ok", not "down"'),
    });
  });

  it("reads no more of a body than a health report has", async () => {
    const flood = (_: IncomingMessage, response: ServerResponse) => {
      const piece = "x".repeat(64 * 1024);
      const more = () => {
        while (response.write(piece));
        response.once("drain", more);
      };
      response.on("error", () => {});
      more();
    };
    expect(await asked(flood, { expectJson: { a: "b" } })).toMatchObject({
      reason: "HTTP_BODY",
      error: expect.stringContaining("more than 1048576 bytes"),
    });
    expect(await asked(flood)).toEqual({ ok: true });
  });

  it("is bounded while a body trickles", async () => {
    const port = await serving((_, response) => void response.write("{"));
    const target = httpTarget(port, { expectJson: { a: "b" } });
    expect(await attemptHttp(target, loopback, 100)).toMatchObject({ reason: "PROBE_TIMEOUT" });
  });
});

describe("a JSON body", () => {
  it.each([
    ["is no JSON", "<html>", { a: "b" }, "the body is no JSON"],
    ["lacks the path", '{"a": {}}', { "a.b": "c" }, "the body has no a.b"],
    ["has it in the prototype only", "{}", { constructor: "x" }, "the body has no constructor"],
    ["ends too early", '{"a": "text"}', { "a.0.b": "t" }, "the body has no a.0.b"],
    ["is a list that is too short", "[1]", { "1": "1" }, "the body has no 1"],
  ])("is told when it %s", (_, body, expected, told) => {
    expect(jsonMismatch(body, expected)).toBe(told);
  });

  it("matches lists from the top", () => {
    expect(jsonMismatch('["a", {"b": [true]}]', { "0": "a", "1.b.0": "true" })).toBeUndefined();
  });
});

describe("the hosts of probes", () => {
  const allows = (allowed: string[], url: string) => createProbeHosts(allowed).allow(new URL(url));

  it("are loopback in all its spellings", () => {
    for (const url of [
      "http://127.0.0.1/",
      "http://127.9.0.1:80/",
      "https://localhost/x",
      "http://[::1]:5/",
    ]) {
      expect([url, allows([], url)]).toEqual([url, true]);
    }
    for (const url of ["http://10.0.0.1/", "http://localhost.evil.test/", "http://128.0.0.1/"]) {
      expect([url, allows([], url)]).toEqual([url, false]);
    }
    // 127.1 and 2130706433 are written out by the URL parser before we look.
    expect(allows([], "http://2130706433/")).toBe(true);
  });

  it("are what the server was told, on any port", () => {
    expect(allows(["API.example.test"], "https://api.example.test:8443/")).toBe(true);
    expect(allows(["fd00::7"], "http://[fd00::7]/")).toBe(true);
    expect(allows(["example.test"], "http://api.example.test/")).toBe(false);
  });
});
