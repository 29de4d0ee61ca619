import { request as httpRequest } from "node:http";
import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { GetRuntimeInfoResponseSchema } from "../../gen/workspace/runtime/v1/info_pb.ts";
import { pathOf, startServer, TOKEN } from "../server/support.ts";

/** Hazard 48: a page of another origin cannot call the HTTP side, not even with the token. */
function post(
  port: number,
  headers: Record<string, string>,
  options: { method?: string; path?: string } = {},
): Promise<{ status: number | undefined; body: string; headers: object }> {
  return new Promise((resolve, reject) => {
    const call = httpRequest(
      {
        host: "127.0.0.1",
        port,
        method: options.method ?? "POST",
        path: options.path ?? pathOf("GetRuntimeInfo"),
        headers: {
          authorization: `Bearer ${TOKEN}`,
          "content-type": "application/json",
          ...headers,
        },
      },
      (answer) => {
        let body = "";
        answer.on("data", (chunk) => {
          body += chunk;
        });
        answer.on("end", () =>
          resolve({ status: answer.statusCode, body, headers: answer.headers }),
        );
      },
    );
    call.on("error", reject);
    call.end(options.method === "GET" ? undefined : "{}");
  });
}

async function server() {
  const called: string[] = [];
  const { port } = await startServer({
    async getRuntimeInfo() {
      called.push("called");
      return create(GetRuntimeInfoResponseSchema);
    },
  });
  return { port, called };
}

describe("the HTTP side", () => {
  it.each([
    "https://evil.example",
    "http://evil.example",
    "null",
    "http://localhost",
    "http://localhost:1",
    "https://127.0.0.1",
    "http://127.0.0.1.evil.example",
    "file://",
  ])("answers 403 to a page of %s", async (origin) => {
    const { port, called } = await server();
    const answer = await post(port, { origin });
    expect(answer.status).toBe(403);
    expect(answer.headers).not.toHaveProperty("access-control-allow-origin");
    expect(called).toEqual([]);
  });

  it.each([
    "evil.example",
    "evil.example:7433",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "192.0.2.1",
    "[2001:db8::1]",
    "0.0.0.0",
  ])('answers 403 to a host of "%s" (a rebound name)', async (host) => {
    const { port, called } = await server();
    expect((await post(port, { host })).status).toBe(403);
    expect(called).toEqual([]);
  });

  it("gives the preflight of a foreign page nothing", async () => {
    const { port } = await server();
    const answer = await post(
      port,
      { origin: "https://evil.example", "access-control-request-method": "POST" },
      { method: "OPTIONS" },
    );
    expect(answer.status).toBe(403);
    expect(answer.headers).not.toHaveProperty("access-control-allow-origin");
  });

  it("refuses a foreign page's GET of a method without side effects", async () => {
    const { port, called } = await server();
    const path = `${pathOf("GetRuntimeInfo")}?connect=v1&encoding=json&message=%7B%7D`;
    const answer = await post(port, { origin: "https://evil.example" }, { method: "GET", path });
    expect(answer.status).toBe(403);
    expect(called).toEqual([]);
  });

  it("answers its own names, with and without its own origin", async () => {
    const { port, called } = await server();
    const hosts = ["127.0.0.1", "localhost", "LOCALHOST", "[::1]", "web.localhost", "127.0.0.2"];
    for (const host of hosts.map((name) => `${name}:${port}`)) {
      expect((await post(port, { host })).status, host).toBe(200);
      expect((await post(port, { host, origin: `http://${host}` })).status, host).toBe(200);
    }
    expect(called).toHaveLength(2 * hosts.length);
  });
});
