import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { connect } from "node:net";

/** One look at a service. `error` says what a person would want to know of the last failure. */
export type Attempt = { readonly ok: true } | { readonly ok: false; readonly error: string };

/** Does anything accept connections on this port of loopback? Bounded by `timeoutMs`. */
export function attemptTcp(port: number, timeoutMs: number): Promise<Attempt> {
  return firstGood(["127.0.0.1", "::1"], (host) => connects(host, port, timeoutMs));
}

/**
 * One GET without following redirects. Any 2xx is good unless `expectedStatuses` lists others.
 * Bounded as a whole by `timeoutMs`: a server that accepts and never answers is a failure.
 */
export function attemptHttp(
  url: URL,
  options: {
    readonly expectedStatuses: readonly number[];
    readonly headers: Readonly<Record<string, string>>;
    readonly timeoutMs: number;
  },
): Promise<Attempt> {
  const hosts =
    url.hostname === "localhost" ? ["127.0.0.1", "::1"] : [url.hostname.replace(/^\[|\]$/g, "")];
  return firstGood(hosts, (host) => gets(url, host, options));
}

/** Probes ask this machine only: a spec must not make the server call elsewhere. */
export function isLoopback(url: URL): boolean {
  return /^(127(\.\d{1,3}){3}|localhost|\[::1\])$/.test(url.hostname);
}

async function firstGood(
  hosts: readonly string[],
  attempt: (host: string) => Promise<Attempt>,
): Promise<Attempt> {
  let first: Attempt | undefined;
  for (const host of hosts) {
    const result = await attempt(host);
    if (result.ok) return result;
    first ??= result;
  }
  return first ?? { ok: false, error: "no address to ask" };
}

function connects(host: string, port: number, timeoutMs: number): Promise<Attempt> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const finish = (attempt: Attempt) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(attempt);
    };
    const timer = setTimeout(
      () => finish({ ok: false, error: `no connection to port ${port} within ${timeoutMs} ms` }),
      timeoutMs,
    );
    socket.once("connect", () => finish({ ok: true }));
    socket.once("error", (error) => finish({ ok: false, error: messageOf(error) }));
  });
}

function gets(
  url: URL,
  host: string,
  options: Parameters<typeof attemptHttp>[1],
): Promise<Attempt> {
  return new Promise((resolve) => {
    const finish = (attempt: Attempt) => {
      clearTimeout(timer);
      call.destroy();
      resolve(attempt);
    };
    const timer = setTimeout(
      () => finish({ ok: false, error: `${url} did not answer within ${options.timeoutMs} ms` }),
      options.timeoutMs,
    );
    const request = url.protocol === "https:" ? httpsRequest : httpRequest;
    const call = request(
      {
        host,
        port: url.port || undefined,
        // A development server's certificate is its own; loopback is what vouches for it.
        rejectUnauthorized: false,
        path: url.pathname + url.search,
        headers: { host: url.host, ...options.headers },
        // A kept connection would outlive the service and count as one of its clients.
        agent: false,
      },
      (response) => {
        const status = response.statusCode ?? 0;
        const good =
          options.expectedStatuses.length > 0
            ? options.expectedStatuses.includes(status)
            : status >= 200 && status < 300;
        finish(good ? { ok: true } : { ok: false, error: `${url} answered ${status}` });
      },
    );
    call.once("error", (error) => finish({ ok: false, error: messageOf(error) }));
    call.end();
  });
}

function messageOf(error: Error): string {
  return error.message || ((error as NodeJS.ErrnoException).code ?? "the connection failed");
}
