import { type DescMethod, type Message, toBinary, toJson } from "@bufbuild/protobuf";
import { type Client, createClient, type Interceptor, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import fc from "fast-check";
import { WorkspaceRuntime } from "../../gen/workspace/runtime/v1/workspace_runtime_pb.ts";
import type { TestServer } from "../support/server.ts";
import { arbitraryMessage } from "./arbitrary-message.ts";
import { judge } from "./judge.ts";
import type { Report } from "./report.ts";
import type { Vocabulary } from "./vocabulary.ts";

const CALL_MS = 2_000;
const REQUESTS_A_METHOD = 4;

/** Random valid messages of every method, over both transports, in binary and in JSON; shrunk when one fails. */
export async function randomRequests(
  server: TestServer,
  words: Vocabulary,
  report: Report,
  seed: number,
  isOver: () => boolean,
): Promise<void> {
  const wires = wiresOf(server);
  for (const method of WorkspaceRuntime.methods) {
    if (isOver()) return;
    const requests = fc.record({
      request: arbitraryMessage(method.input, words),
      wire: fc.constantFrom(...Object.keys(wires)),
    });
    const property = fc.asyncProperty(requests, async ({ request, wire }) => {
      if (!isEncodable(method, request)) return;
      const failure = await callOnce(wires[wire] as Wire, method, request, words, report);
      report.count(`requests over ${wire}`);
      if (failure !== undefined) throw new Error(`${method.name} over ${wire}: ${failure}`);
    });
    const outcome = await fc.check(property, {
      seed,
      numRuns: REQUESTS_A_METHOD,
      interruptAfterTimeLimit: 60_000,
    });
    if (outcome.failed && outcome.counterexample !== null) {
      const [{ request, wire }] = outcome.counterexample;
      report.fail(
        `${outcome.errorInstance ?? ""}\n  shrunk: ${method.name} ${wire} ${shown(method, request)}`,
      );
    }
  }
}

type Wire = Client<typeof WorkspaceRuntime>;

function wiresOf({ address, token }: TestServer): Record<string, Wire> {
  const authorize: Interceptor = (next) => (request) => {
    request.header.set("authorization", `Bearer ${token}`);
    return next(request);
  };
  const options = { baseUrl: address, interceptors: [authorize] };
  const transports: Record<string, Transport> = {
    gRPC: createGrpcTransport(options),
    "Connect, binary": createConnectTransport({
      ...options,
      httpVersion: "1.1",
      useBinaryFormat: true,
    }),
    "Connect, JSON": createConnectTransport({
      ...options,
      httpVersion: "1.1",
      useBinaryFormat: false,
    }),
  };
  return Object.fromEntries(
    Object.entries(transports).map(([name, transport]) => [
      name,
      createClient(WorkspaceRuntime, transport),
    ]),
  );
}

async function callOnce(
  wire: Wire,
  method: DescMethod,
  request: Message,
  words: Vocabulary,
  report: Report,
): Promise<string | undefined> {
  const call = wire[method.localName as keyof Wire] as (
    request: Message,
    options: { timeoutMs: number },
  ) => Promise<Message> | AsyncIterable<Message>;
  try {
    const answer = call(request, { timeoutMs: CALL_MS });
    if (Symbol.asyncIterator in answer) {
      let left = 20;
      for await (const message of answer) {
        words.learn(method.output, message);
        left -= 1;
        if (left === 0) break;
      }
    } else words.learn(method.output, await answer);
    report.count("answered OK");
    return undefined;
  } catch (error) {
    return judge(error);
  }
}

/** Some messages have no JSON, by protobuf's own rules: a time out of range. */
function isEncodable(method: DescMethod, request: Message): boolean {
  try {
    toBinary(method.input, request);
    toJson(method.input, request);
    return true;
  } catch {
    return false;
  }
}

function shown(method: DescMethod, request: Message): string {
  return JSON.stringify(toJson(method.input, request)).slice(0, 2_000);
}
