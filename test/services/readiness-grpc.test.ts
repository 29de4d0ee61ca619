import { type ChildProcess, spawn } from "node:child_process";
import { createServer as createTcpServer } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { attemptGrpc } from "../../src/services/readiness/attempt-grpc.ts";
import { listening, serving } from "./readiness-support.ts";

const PROGRAM = new URL("../fixtures/processes/grpc-health.mjs", import.meta.url).pathname;
const PATIENCE_MS = 20_000;

describe("a grpc probe", () => {
  let well: Fixture;
  let ill: Fixture;
  beforeAll(async () => {
    [well, ill] = await Promise.all([start("1"), start("2")]);
  });
  afterAll(() => {
    for (const { child } of [well, ill]) child.kill("SIGKILL");
  });

  it("is good for SERVING alone", async () => {
    expect(await attemptGrpc(well.port, "", PATIENCE_MS)).toEqual({ ok: true });
    expect(await attemptGrpc(ill.port, "", PATIENCE_MS)).toEqual({
      ok: false,
      reason: "GRPC_NOT_SERVING",
      error: "the gRPC server is NOT_SERVING",
    });
  });

  it("asks for a service by name", async () => {
    expect(await attemptGrpc(well.port, "shop.v1.Cart", PATIENCE_MS)).toEqual({ ok: true });
    expect(await attemptGrpc(well.port, "lost", PATIENCE_MS)).toMatchObject({
      reason: "GRPC_NOT_SERVING",
      error: expect.stringContaining("lost"),
    });
  });

  it("is bounded", async () => {
    expect(await attemptGrpc(well.port, "slow", 200)).toMatchObject({ reason: "PROBE_TIMEOUT" });
    const mute = await listening(createTcpServer((socket) => socket.on("error", () => {})));
    expect(await attemptGrpc(mute, "", 200)).toMatchObject({ reason: "PROBE_TIMEOUT" });
  });

  it("fails on a closed port and on one that speaks something else", async () => {
    expect(await attemptGrpc(1, "", PATIENCE_MS)).toMatchObject({ reason: "PORT_CLOSED" });
    const web = await serving((_, response) => response.end());
    expect(await attemptGrpc(web, "", PATIENCE_MS)).toMatchObject({ ok: false });
  });

  it("asks anew each time: a refused connection is not remembered", async () => {
    const passing = createTcpServer();
    const port = await listening(passing);
    await new Promise((resolve) => passing.close(resolve));
    expect(await attemptGrpc(port, "", PATIENCE_MS)).toMatchObject({ reason: "PORT_CLOSED" });
    const late = await start("1", port);
    expect(await attemptGrpc(port, "", PATIENCE_MS)).toEqual({ ok: true });
    late.child.kill("SIGKILL");
  });
});

interface Fixture {
  readonly child: ChildProcess;
  readonly port: number;
}

async function start(status: string, port = 0): Promise<Fixture> {
  const child = spawn(process.execPath, [PROGRAM, status], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, PORT: String(port) },
  });
  const line = await new Promise<string>((resolve, reject) => {
    child.stdout?.once("data", (chunk) => resolve(String(chunk)));
    child.once("exit", (code) => reject(new Error(`ended with ${code}`)));
  });
  return { child, port: Number(/on (\d+)/.exec(line)?.[1]) };
}
