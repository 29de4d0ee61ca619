import { request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { type Attempt, failed, unreachable } from "./attempt.ts";
import { jsonMismatch } from "./expect-json.ts";
import { addressesOf, firstGood, isLoopback } from "./loopback.ts";
import { type ProbeHosts, shown } from "./probe-hosts.ts";

export interface HttpQuestion {
  readonly url: URL;
  /** None: any 2xx. */
  readonly expectedStatuses: readonly number[];
  readonly headers: Readonly<Record<string, string>>;
  /** Path in the JSON body to the text expected there. */
  readonly expectJson: Readonly<Record<string, string>>;
}

const MAX_REDIRECTS = 5;
const MAX_BODY_BYTES = 1024 * 1024;

/**
 * One GET, redirects included (at most 5, and only to `hosts`; a status that is expected is not followed).
 * Bounded as a whole by `timeoutMs`: a server that accepts and never answers is a failure.
 */
export async function attemptHttp(
  question: HttpQuestion,
  hosts: ProbeHosts,
  timeoutMs: number,
): Promise<Attempt> {
  const timeout = AbortSignal.timeout(timeoutMs);
  let url = question.url;
  for (let redirects = 0; ; redirects += 1) {
    const step = await ask(url, question, timeout, timeoutMs);
    if (!("redirect" in step)) return step;
    const next = URL.parse(step.redirect, url.href);
    if (next === null || !/^https?:$/.test(next.protocol)) {
      return failed("HTTP_REDIRECT", `${shown(url)} redirects to something that is no URL`);
    }
    if (!hosts.allow(next)) {
      const told = `${shown(url)} redirects to ${shown(next)}`;
      return failed("HTTP_REDIRECT", `${told}: probes ask ${hosts.names} only`);
    }
    if (redirects === MAX_REDIRECTS) {
      const told = `${shown(question.url)} redirects more than ${MAX_REDIRECTS} times`;
      return failed("HTTP_REDIRECT", `${told}, at last to ${shown(next)}`);
    }
    url = next;
  }
}

type Step = Attempt | { readonly ok: false; readonly redirect: string };

async function ask(
  url: URL,
  question: HttpQuestion,
  timeout: AbortSignal,
  timeoutMs: number,
): Promise<Step> {
  let redirect: string | undefined;
  const answer = await firstGood(async (address) => {
    const step = await gets(url, address, question, timeout, timeoutMs);
    if (!("redirect" in step)) return step;
    redirect = step.redirect;
    return { ok: true };
  }, addressesOf(url));
  return redirect === undefined ? answer : { ok: false, redirect };
}

function gets(
  url: URL,
  address: string,
  question: HttpQuestion,
  timeout: AbortSignal,
  timeoutMs: number,
): Promise<Step> {
  return new Promise((resolve) => {
    const finish = (step: Step) => {
      timeout.removeEventListener("abort", expire);
      call.destroy();
      resolve(step);
    };
    const expire = () =>
      finish(failed("PROBE_TIMEOUT", `${shown(url)} did not answer within ${timeoutMs} ms`));
    const call = (url.protocol === "https:" ? httpsRequest : httpRequest)(
      {
        host: address,
        port: url.port || undefined,
        // A development server's certificate is its own; there loopback is what vouches for it.
        rejectUnauthorized: !isLoopback(url),
        path: url.pathname + url.search,
        headers: { host: url.host, ...headersFor(url, question) },
        // A kept connection would outlive the service and count as one of its clients.
        agent: false,
      },
      (response) => {
        judge(url, response, question).then(finish, (error) =>
          finish(unreachable(error, "HTTP_FAILED")),
        );
      },
    );
    call.once("error", (error) => finish(unreachable(error, "HTTP_FAILED")));
    // One more may come once the call is destroyed; it is nobody's news.
    call.on("error", () => {});
    if (timeout.aborted) expire();
    else {
      timeout.addEventListener("abort", expire, { once: true });
      call.end();
    }
  });
}

/** A secret in a header is for whom the spec names, not for whom that one points at. */
function headersFor(url: URL, { url: first, headers }: HttpQuestion): Record<string, string> {
  if (url.origin !== first.origin) return {};
  return first.username === "" ? { ...headers } : { authorization: basic(first), ...headers };
}

function basic({ username, password }: URL): string {
  return `Basic ${Buffer.from(`${decoded(username)}:${decoded(password)}`).toString("base64")}`;
}

/** A stray "%" stands for itself. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

async function judge(
  url: URL,
  response: IncomingMessage,
  { expectedStatuses, expectJson }: HttpQuestion,
): Promise<Step> {
  const status = response.statusCode ?? 0;
  const isExpected =
    expectedStatuses.length > 0 ? expectedStatuses.includes(status) : status >= 200 && status < 300;
  const { location } = response.headers;
  if (!isExpected && [301, 302, 303, 307, 308].includes(status) && location !== undefined) {
    return { ok: false, redirect: location };
  }
  if (!isExpected) return failed("HTTP_STATUS", `${shown(url)} answered ${status}`);
  if (Object.keys(expectJson).length === 0) return { ok: true };
  const body = await readBody(response);
  if (body === undefined) {
    return failed("HTTP_BODY", `${shown(url)} answered more than ${MAX_BODY_BYTES} bytes`);
  }
  const mismatch = jsonMismatch(body, expectJson);
  if (mismatch === undefined) return { ok: true };
  return failed("HTTP_BODY", `${shown(url)} answered ${status}, but ${mismatch}`);
}

/** Undefined: longer than anybody would call a health report. */
async function readBody(response: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}
