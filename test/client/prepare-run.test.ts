import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { afterEach, describe, expect, it } from "vitest";
import { prepareRun, ServiceState } from "../../src/client/index.ts";
import { bothClients } from "./both-clients.ts";
import { startFakeServer } from "./fake-server.ts";
import { refusal } from "./refusal.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const log = (text: string, ms: number, operationId = "op") => ({
  event: {
    case: "log" as const,
    value: {
      operationId,
      content: { case: "text" as const, value: text },
      chunkTime: timestampFromMs(ms),
    },
  },
});
const operation = (revision: bigint, message: string) => ({
  event: { case: "operation" as const, value: { operationId: "op", revision, message } },
});
const service = (revision: bigint, state: ServiceState) => ({
  event: { case: "service" as const, value: { serviceId: "s", revision, state } },
});
const result = {
  event: { case: "result" as const, value: { ensured: { readyComment: "## Workspace Ready" } } },
};
type Scripted =
  | ReturnType<typeof log | typeof operation | typeof service>
  | typeof result
  | ConnectError;

describe.each(bothClients)("prepareRun with $name", ({ create }) => {
  /** Each call plays one script; `undefined` in it is a connection that breaks. */
  async function play(...scripts: readonly (readonly (Scripted | undefined)[])[]) {
    let calls = 0;
    const server = await startFakeServer({
      async *prepareRun(_, { signal }) {
        for (const step of scripts[calls++] ?? []) {
          if (step instanceof ConnectError) throw step;
          if (step === undefined) {
            // What was sent has to arrive first: an error may overtake messages.
            await expect.poll(() => told.length, { timeout: 10_000 }).toBeGreaterThan(0);
            server.cut();
            await new Promise((resolve) => signal.addEventListener("abort", resolve));
            return;
          }
          yield step;
        }
      },
    });
    cleanups.push(() => server.close());
    const client = create({ address: server.address, token: "t" });
    cleanups.push(() => client.close());
    const told: string[] = [];
    const controller = new AbortController();
    const run = (options: { giveUpAfterMs?: number } = {}) =>
      prepareRun(
        client,
        { realize: { runId: "r" } },
        {
          signal: controller.signal,
          onOperation: ({ message }) => void told.push(`operation ${message}`),
          onService: ({ state }) => void told.push(`service ${state}`),
          onLog: ({ content }) => void told.push(`log ${content.value}`),
          ...options,
        },
      );
    return { run, told, abort: () => controller.abort(), calls: () => calls };
  }

  it("tells what happens in its order and answers with the result", async () => {
    const { run, told } = await play([
      operation(1n, "begins"),
      log("a\n", 1),
      operation(2n, "done"),
      service(3n, ServiceState.STARTING),
      service(4n, ServiceState.RUNNING),
      result,
    ]);
    expect((await run()).ensured?.readyComment).toBe("## Workspace Ready");
    expect(told).toEqual([
      "operation begins",
      "log a\n",
      "operation done",
      `service ${ServiceState.STARTING}`,
      `service ${ServiceState.RUNNING}`,
    ]);
  });

  it("calls again when the connection breaks, and tells nothing twice that is sent from its beginning", async () => {
    const { run, told, calls } = await play(
      [log("one\ntwo\n", 10), undefined],
      [log("one\n", 10), log("two\nthree\n", 20), log("four\n", 30), result],
    );
    await run();
    expect(calls()).toBe(2);
    expect(told.join("")).toBe("log one\ntwo\nlog three\nlog four\n");
  });

  it("leaves out no line of a log that goes on, though it reads like the beginning", async () => {
    const { run, told } = await play(
      [log("tick\n", 10), undefined],
      [log("tick\n", 20), log("tick\n", 30), result],
    );
    await run();
    expect(told).toEqual(["log tick\n", "log tick\n", "log tick\n"]);
  });

  it("tells no state twice", async () => {
    const { run, told } = await play(
      [operation(5n, "done"), service(6n, ServiceState.STARTING), undefined],
      [
        operation(5n, "done"),
        service(6n, ServiceState.STARTING),
        service(7n, ServiceState.RUNNING),
        result,
      ],
    );
    await run();
    expect(told.toSorted()).toEqual([
      "operation done",
      `service ${ServiceState.STARTING}`,
      `service ${ServiceState.RUNNING}`,
    ]);
  });

  it("calls again after a stream that closed without a result", async () => {
    const { run, calls } = await play([log("a\n", 1)], [result]);
    await run();
    expect(calls()).toBe(2);
  });

  it.each([
    ["SERVICE_NOT_READY", Code.FailedPrecondition],
    ["PORT_RANGE_EXHAUSTED", Code.ResourceExhausted],
    ["RUN_RELEASED", Code.Aborted],
  ])("throws %s, which a repetition does not mend", async (reason, code) => {
    const { run, calls } = await play([refusal(reason, code, 0)], [result]);
    await expect(run()).rejects.toMatchObject({ code });
    expect(calls()).toBe(1);
  });

  it("gives up after the time that it was given", async () => {
    const away = new ConnectError("away", Code.Unavailable);
    const { run } = await play(...Array.from({ length: 50 }, () => [away]));
    await expect(run({ giveUpAfterMs: 200 })).rejects.toMatchObject({ code: Code.Unavailable });
  });

  it("ends with CANCELLED by its signal", async () => {
    const away = new ConnectError("away", Code.Unavailable);
    const { run, abort, calls } = await play(...Array.from({ length: 500 }, () => [away]));
    const outcome = expect(run()).rejects.toMatchObject({ code: Code.Canceled });
    await expect.poll(calls).toBeGreaterThan(1);
    abort();
    await outcome;
  });
});
