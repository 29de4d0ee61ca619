import type { RequestListener } from "node:http";
import type { ConnectTransport } from "./connect.ts";
import type { Health } from "./health.ts";
import type { WebGuard } from "./web-guard.ts";

export interface HttpOptions {
  readonly connect: ConnectTransport;
  readonly health: Health;
  /** Absent on the Unix socket, which no web page can reach. */
  readonly guard?: WebGuard;
}

/** What the HTTP/1.1 side answers: `/healthz`, the methods, and nothing else. */
export function createHttpHandler({ connect, health, guard }: HttpOptions): RequestListener {
  return (request, response) => {
    const say = (status: number, text: string) => {
      response.writeHead(status, { "content-type": "text/plain; charset=utf-8" });
      response.end(`${text}\n`);
      // What is left of a refused request's body is not worth reading.
      if (!request.complete) request.resume();
    };
    // Before the guard: probes ask by whatever name they know, and learn one word.
    if (request.url === "/healthz" && (request.method === "GET" || request.method === "HEAD")) {
      say(health.isServing ? 200 : 503, health.isServing ? "SERVING" : "NOT_SERVING");
      return;
    }
    const refusal = guard?.(request);
    if (refusal !== undefined) say(403, refusal);
    else if (!connect(request, response)) say(404, "no such method");
  };
}
