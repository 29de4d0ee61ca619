import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create as createMessage } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { afterEach, describe, expect, it, vi } from "vitest";
import { BadRequestSchema, ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import {
  type ClientOptions,
  dataDirOf,
  ErrorReason,
  errorDetails,
  ServiceFailureSchema,
} from "../../src/client/index.ts";
import { bothClients } from "./both-clients.ts";
import { startFakeServer } from "./fake-server.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  vi.unstubAllEnvs();
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "client-"));
  cleanups.push(() => rm(directory, { recursive: true }));
  return directory;
}

/** Answers with the token that it was called with, as its version. */
async function serveEcho(listen: number | string = 0) {
  const server = await startFakeServer(
    {
      getRuntimeInfo: (_, { requestHeader }) => ({
        version: requestHeader.get("authorization") ?? "none",
      }),
    },
    { listen },
  );
  cleanups.push(() => server.close());
  return server;
}

describe.each(bothClients)("$name", ({ create }) => {
  /** Of one try: whether there are more is with-policy.test.ts's. */
  async function versionOf(options: ClientOptions): Promise<string> {
    using client = create({ maxAttempts: 1, ...options });
    return (await client.getRuntimeInfo({})).version;
  }

  it("takes address and token as given", async () => {
    const { address } = await serveEcho();
    expect(await versionOf({ address, token: "mine" })).toBe("Bearer mine");
    expect(await versionOf({ address: address.replace("http://", ""), token: "a" })).toBe(
      "Bearer a",
    );
  });

  it("takes them from the environment", async () => {
    const { address } = await serveEcho();
    vi.stubEnv("WORKSPACE_RUNTIME_ADDRESS", address);
    vi.stubEnv("WORKSPACE_RUNTIME_TOKEN", "theirs");
    expect(await versionOf({})).toBe("Bearer theirs");
  });

  it("finds them in the data directory, and the server again where it moved to", async () => {
    const dataDir = await temporaryDirectory();
    const say = async (address: string, token: string) => {
      await writeFile(join(dataDir, "token"), `${token}\n`);
      await writeFile(join(dataDir, "server.json"), JSON.stringify({ address, pid: 1 }));
    };
    vi.stubEnv("WORKSPACE_RUNTIME_ADDRESS", "http://127.0.0.1:1");
    vi.stubEnv("WORKSPACE_RUNTIME_TOKEN", "theirs");
    const first = await startFakeServer({ getRuntimeInfo: () => ({ version: "first" }) });
    await say(first.address, "old");
    using client = create({ dataDir });
    expect((await client.getRuntimeInfo({})).version).toBe("first");
    await first.close();
    const second = await serveEcho();
    await say(second.address, "new");
    expect((await client.getRuntimeInfo({})).version).toBe("Bearer new");
  });

  it("prefers the data directory's socket", async () => {
    const dataDir = await temporaryDirectory();
    const socket = join(dataDir, "s");
    await serveEcho(socket);
    await writeFile(
      join(dataDir, "server.json"),
      JSON.stringify({ address: "http://127.0.0.1:1", socket }),
    );
    expect(await versionOf({ dataDir })).toBe("none");
    expect(await versionOf({ socket, token: "not needed" })).toBe("none");
  });

  it.each([
    ["nothing listens", { address: "http://127.0.0.1:1" }],
    ["there is no socket", { socket: "/nowhere/at/all" }],
    ["no server runs with the data directory", { dataDir: "/nowhere" }],
  ])("says UNAVAILABLE when %s", async (_, options) => {
    await expect(versionOf(options)).rejects.toMatchObject({ code: Code.Unavailable });
  });

  it("trusts the authority that it is told to, and no other", async () => {
    const pem = (name: string) =>
      readFileSync(new URL(`../fixtures/tls/${name}.pem`, import.meta.url), "utf8");
    const key = readFileSync(new URL("../fixtures/tls/server.key", import.meta.url), "utf8");
    const server = await startFakeServer(
      { getRuntimeInfo: () => ({ version: "secure" }) },
      { tls: { cert: pem("server"), key } },
    );
    cleanups.push(() => server.close());
    const { address } = server;
    const tls = { ca: pem("ca") };
    expect(await versionOf({ address, token: "t", tls })).toBe("secure");
    const named = { ...tls, servername: "runtime.test" };
    expect(await versionOf({ address, token: "t", tls: named })).toBe("secure");
    const wrong = { ...tls, servername: "other.test" };
    for (const refused of [
      { address, token: "t" },
      { address, token: "t", tls: wrong },
    ]) {
      await expect(versionOf(refused)).rejects.toMatchObject({ code: Code.Unavailable });
    }
  });

  it("says what to do when no server runs", async () => {
    await expect(versionOf({ dataDir: "/nowhere" })).rejects.toThrow("workspace-runtime serve");
  });

  it("says what is wrong with an address", async () => {
    await expect(versionOf({ address: "ftp://x" })).rejects.toMatchObject({
      code: Code.InvalidArgument,
    });
  });

  it("says UNAVAILABLE when the connection breaks before the answer", async () => {
    const server = await startFakeServer({
      getRuntimeInfo: () => {
        server.cut();
        return new Promise(() => {});
      },
    });
    cleanups.push(() => server.close());
    await expect(versionOf({ address: server.address })).rejects.toMatchObject({
      code: Code.Unavailable,
    });
  });

  it("leaves the caller's own cancellation what it is", async () => {
    const server = await startFakeServer({ getRuntimeInfo: () => new Promise(() => {}) });
    cleanups.push(() => server.close());
    using client = create({ address: server.address });
    const signal = AbortSignal.timeout(20);
    await expect(client.getRuntimeInfo({}, { signal })).rejects.not.toMatchObject({
      code: Code.Unavailable,
    });
    await expect(client.getRuntimeInfo({}, { timeoutMs: 20 })).rejects.toMatchObject({
      code: Code.DeadlineExceeded,
    });
  });

  it("gives what a server says of an error", async () => {
    const failure = createMessage(ServiceFailureSchema, {
      serviceName: "web",
      reason: ErrorReason.PORT_IN_USE,
    });
    const server = await startFakeServer({
      ensureServices() {
        throw new ConnectError("two things", Code.FailedPrecondition, undefined, [
          {
            desc: ErrorInfoSchema,
            value: createMessage(ErrorInfoSchema, {
              reason: "PORT_IN_USE",
              metadata: { port: "80" },
            }),
          },
          {
            desc: BadRequestSchema,
            value: createMessage(BadRequestSchema, {
              fieldViolations: [{ field: "services[0].port", description: "taken" }],
            }),
          },
          { desc: ServiceFailureSchema, value: failure },
        ]);
      },
    });
    cleanups.push(() => server.close());
    using client = create({ address: server.address });
    const error = await client.ensureServices({}).catch((thrown: unknown) => thrown);
    expect(errorDetails(error)).toMatchObject({
      code: Code.FailedPrecondition,
      status: "FAILED_PRECONDITION",
      reason: "PORT_IN_USE",
      message: "two things",
      metadata: { port: "80" },
      violations: [{ field: "services[0].port", description: "taken" }],
      failures: [{ serviceName: "web", reason: ErrorReason.PORT_IN_USE }],
      retryAfterMs: undefined,
    });
  });
});

describe("dataDirOf", () => {
  it("has a data directory by default", () => {
    vi.stubEnv("WORKSPACE_RUNTIME_DATA_DIR", "");
    vi.stubEnv("XDG_STATE_HOME", "");
    vi.stubEnv("HOME", "/h");
    expect(dataDirOf({})).toBe("/h/.local/state/workspace-runtime");
    vi.stubEnv("XDG_STATE_HOME", "/x");
    expect(dataDirOf({})).toBe("/x/workspace-runtime");
    vi.stubEnv("WORKSPACE_RUNTIME_DATA_DIR", "/d");
    expect(dataDirOf({})).toBe("/d");
  });
});

describe("errorDetails", () => {
  it("makes an error without a reason of anything else", () => {
    expect(errorDetails(new Error("x"))).toMatchObject({ reason: "", failures: [], message: "x" });
  });
});
