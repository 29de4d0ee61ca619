import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { ServiceState } from "../../gen/workspace/runtime/v1/service_pb.ts";
import { errorDetails } from "../../src/client/index.ts";
import { findPortOwners } from "../../src/supervisor/listeners.ts";
import { eventually } from "../support/eventually.ts";
import { startServer, type TestServer } from "../support/server.ts";
import {
  realizePrimary,
  type SpecInit,
  shellService,
  type TestWorkspace,
} from "../support/workspace.ts";

const SERVICES = 200;
/** Two cores start them, beside whatever else runs on these. */
const UP = { seconds: 240n, nanos: 0 };

/** 2 MB of memory where a Node of its own would be 40. */
function tinyListener(name: string, before = ""): SpecInit {
  const program =
    "use IO::Socket::INET; $s = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $ENV{PORT}, Listen => 5) or die qq(no port: $@); sleep 600";
  return shellService(name, `${before}exec perl -e '${program.replaceAll("'", `'"'"'`)}'`, {
    port: { port: { case: "auto", value: {} } },
    readiness: { timeout: UP },
  });
}

async function setUp(dataDir: string, args: readonly string[] = []): Promise<TestServer> {
  const server = await startServer({ dataDir, args });
  onTestFinished(() => server.stop());
  return server;
}

function temporary(): string {
  const path = mkdtempSync(join(tmpdir(), "wsrt-ports-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

async function realize(server: TestServer): Promise<TestWorkspace> {
  const workspace = await realizePrimary(server);
  onTestFinished(() => workspace.remove());
  return workspace;
}

describe("hazard 9: ports of many starts at once", () => {
  it("200 services are all ready, none on another's port; the next server keeps them apart as well", {
    timeout: 400_000,
  }, async () => {
    const dataDir = temporary();
    const first = await setUp(dataDir);
    const workspace = await realize(first);
    const { workspaceId } = workspace;
    const began = performance.now();
    const answers = await Promise.all(
      Array.from({ length: SERVICES }, (_, index) =>
        first.client.ensureServices({
          runId: `run-${index}`,
          workspaceId,
          services: [tinyListener(`web-${index}`)],
        }),
      ),
    );
    console.log(`${SERVICES} services up in ${Math.round(performance.now() - began)} ms`);
    const services = answers.flatMap((answer) => answer.services);
    expect(services.filter(({ state }) => state === ServiceState.RUNNING)).toHaveLength(SERVICES);
    const numbers = services.map(({ port }) => port ?? 0);
    expect(new Set(numbers).size).toBe(SERVICES);
    expect(services.filter(({ instance }) => instance > 1)).toEqual([]);
    for (const owner of await findPortOwners(numbers.slice(0, 20))) {
      const service = services.find(({ port }) => port === owner.port);
      expect(owner.pids.map(String)).toContain(service?.providerRef);
    }
    await first.kill("SIGKILL");

    const next = await setUp(dataDir);
    const more = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        next.client.ensureServices({
          runId: "later",
          workspaceId,
          services: [tinyListener(`later-${index}`)],
        }),
      ),
    );
    const later = more.flatMap((answer) => answer.services.map(({ port }) => port ?? 0));
    expect(new Set([...numbers, ...later]).size).toBe(SERVICES + 20);
  });
});

/** Waits on its number until it is told to go on: in between somebody else can take it. */
const HELD =
  'echo "$PORT" >>asked; until [ -e "go-$(wc -l <asked | tr -d " ")" ]; do sleep 0.02; done; ';

describe("hazard 9: a port that is taken between its choice and its bind", () => {
  async function thieves(workspace: TestWorkspace, count: number): Promise<number[]> {
    const stolen: number[] = [];
    for (let turn = 1; turn <= count; turn += 1) {
      const asked = join(workspace.cwd, "asked");
      const port = await eventually(
        () => {
          const lines = existsSync(asked) ? readFileSync(asked, "utf8").trim().split("\n") : [];
          return Number(lines[turn - 1]) || undefined;
        },
        { timeoutMs: 60_000 },
      );
      const thief = createServer((socket) => socket.destroy());
      await new Promise<void>((resolve, reject) => {
        thief.once("error", reject);
        thief.listen(port, "127.0.0.1", resolve);
      });
      onTestFinished(() => void thief.close());
      stolen.push(port);
      writeFileSync(join(workspace.cwd, `go-${turn}`), "");
    }
    return stolen;
  }

  it("is tried again on another number, under the same id; callers see the outcome only", {
    timeout: 120_000,
  }, async () => {
    const server = await setUp(temporary());
    const workspace = await realize(server);
    const services = [tinyListener("web", HELD)];
    const { workspaceId } = workspace;
    const calls = ["one", "two"].map((runId) =>
      server.client.ensureServices({ runId, workspaceId, services }),
    );
    const stolen = await thieves(workspace, 2);
    writeFileSync(join(workspace.cwd, "go-3"), "");
    const answers = await Promise.all(calls);
    const [service] = answers[0]?.services ?? [];
    expect(service).toMatchObject({ state: ServiceState.RUNNING, instance: 3 });
    expect(stolen).not.toContain(service?.port);
    expect(answers[1]?.services[0]).toMatchObject({
      serviceId: service?.serviceId,
      port: service?.port,
    });
    const asked = readFileSync(join(workspace.cwd, "asked"), "utf8").trim().split("\n").map(Number);
    expect(asked).toEqual([...stolen, service?.port]);
    const { chunks } = await server.client.readLogs({
      source: { case: "serviceId", value: service?.serviceId ?? "" },
    });
    const complaints = chunks.filter(({ content }) => String(content.value).includes("no port"));
    expect(complaints.map(({ instance }) => instance)).toEqual([1, 2]);
    const { services: rows } = await server.client.listServices({ workspaceIds: [workspaceId] });
    expect(rows).toHaveLength(1);
  });

  it("three times at most: then PORT_IN_USE says who has it", { timeout: 120_000 }, async () => {
    const server = await setUp(temporary());
    const workspace = await realize(server);
    const call = server.client
      .ensureServices({
        runId: "run",
        workspaceId: workspace.workspaceId,
        services: [tinyListener("web", HELD)],
      })
      .then(
        () => undefined,
        (reason: unknown) => errorDetails(reason),
      );
    const stolen = await thieves(workspace, 4);
    const error = await call;
    expect(error).toMatchObject({
      reason: "PORT_IN_USE",
      metadata: { port: String(stolen[3]), pid: String(process.pid) },
      failures: [{ diagnosis: { reason: "PORT_IN_USE", portOwnerPid: process.pid } }],
    });
    const { services } = await server.client.listServices({ serviceNames: ["web"] });
    expect(services).toMatchObject([{ state: ServiceState.FAILED, instance: 4 }]);
  });

  it("is moved from also when the program stays and only is not ready", {
    timeout: 120_000,
  }, async () => {
    const server = await setUp(temporary());
    const workspace = await realize(server);
    const stays = tinyListener("web", HELD);
    const line = stays.process?.case === "command" ? stays.process.value : "";
    const call = server.client.ensureServices({
      runId: "run",
      workspaceId: workspace.workspaceId,
      services: [
        {
          ...stays,
          // Without a bind of its own it goes on all the same.
          process: {
            case: "command",
            value: line.replace("exec perl", "perl").concat("; exec sleep 600"),
          },
          readiness: { timeout: { seconds: 3n, nanos: 0 } },
        },
      ],
    });
    const [stolen] = await thieves(workspace, 1);
    writeFileSync(join(workspace.cwd, "go-2"), "");
    const [service] = (await call).services;
    expect(service).toMatchObject({ state: ServiceState.RUNNING, instance: 2 });
    expect(service?.port).not.toBe(stolen);
  });

  it("asked for by number is PORT_IN_USE at once, whatever the program's own words are", {
    timeout: 120_000,
  }, async () => {
    const server = await setUp(temporary());
    const workspace = await realize(server);
    const fixed = await new Promise<number>((resolve) => {
      const passing = createServer().listen(0, "127.0.0.1", () => {
        const address = passing.address();
        passing.close(() => resolve(typeof address === "object" ? (address?.port ?? 0) : 0));
      });
    });
    const call = server.client
      .ensureServices({
        runId: "run",
        workspaceId: workspace.workspaceId,
        services: [
          { ...tinyListener("web", HELD), port: { port: { case: "value", value: fixed } } },
        ],
      })
      .then(
        () => undefined,
        (reason: unknown) => errorDetails(reason),
      );
    await thieves(workspace, 1);
    expect(await call).toMatchObject({
      reason: "PORT_IN_USE",
      metadata: { port: String(fixed), pid: String(process.pid) },
    });
    const { services } = await server.client.listServices({ serviceNames: ["web"] });
    expect(services).toMatchObject([{ state: ServiceState.FAILED, instance: 1 }]);
  });
});
