import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { OperationStatus } from "../../gen/workspace/runtime/v1/operation_pb.ts";
import type {
  PrepareRunRequestSchema,
  PrepareRunResponse,
} from "../../gen/workspace/runtime/v1/run_pb.ts";
import { ServiceState } from "../../gen/workspace/runtime/v1/service_pb.ts";
import { errorDetails } from "../../src/client/index.ts";
import { createRepository, temporaryDirectory } from "../git/fixture.ts";
import { eventually } from "../support/eventually.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { shellService } from "../support/workspace.ts";

type Request = MessageInitShape<typeof PrepareRunRequestSchema>;
type Event = PrepareRunResponse["event"];

describe("PrepareRun", () => {
  let server: TestServer;
  let repo: string;
  beforeAll(async () => {
    server = await startServer();
    repo = createRepository(realpathSync(mkdtempSync(join(tmpdir(), "wsrt-repo-"))));
  });
  afterAll(async () => {
    await server.stop();
    rmSync(repo, { recursive: true, force: true });
  });

  let issues = 0;
  /** A worktree of a new issue, provisioned by `provisionCommand`. */
  function realize(runId: string, provisionCommand: string) {
    issues += 1;
    return {
      companyId: "c",
      baseCwd: repo,
      agent: { agentId: "a", name: "Ada" },
      issue: { issueId: `i${issues}`, identifier: `PAP-${issues}`, title: "x" },
      runId,
      strategy: { case: "gitWorktree", value: { provisionCommand } },
    } as const;
  }

  /** All events of a call until it ends or `enough` says so, and the error that ended it. */
  async function prepare(request: Request, enough: (events: Event[]) => boolean = () => false) {
    const stop = new AbortController();
    const events: Event[] = [];
    try {
      const signal = AbortSignal.any([stop.signal, AbortSignal.timeout(60_000)]);
      for await (const { event } of server.client.prepareRun(request, { signal })) {
        if (event.case !== undefined) events.push(event);
        if (enough(events)) break;
      }
    } catch (error) {
      return { events, error: errorDetails(error) };
    } finally {
      stop.abort();
    }
    return { events };
  }

  const textOf = (events: Event[]) =>
    events.map(({ case: kind, value }) => (kind === "log" ? value.content.value : "")).join("");
  const resultOf = (events: Event[]) => {
    const last = events.at(-1);
    return last?.case === "result" ? last.value : undefined;
  };
  /** The place of the first event for which `test` holds. */
  const place = (events: Event[], test: (event: Event) => unknown) => events.findIndex(test);

  it("tells operations, services and their lines as they come, and the result last", async () => {
    const { events, error } = await prepare({
      realize: realize("run-1", "echo provisioning; sleep 0.3; echo provisioned >&2"),
      ensure: { services: [shellService("web", "echo web is up; exec sleep 600")] },
    });
    expect(error).toBeUndefined();
    const result = resultOf(events);
    expect(result?.realized?.provisioned).toBe(true);
    expect(result?.ensured?.services).toMatchObject([
      { serviceName: "web", state: ServiceState.RUNNING, leaseRunIds: ["run-1"] },
    ]);
    expect(textOf(events)).toContain("provisioning\n");
    expect(textOf(events)).toContain("provisioned\n");
    const provision = (status: OperationStatus) =>
      place(events, ({ case: kind, value }) => {
        return (
          kind === "operation" && value.command.startsWith("echo pro") && value.status === status
        );
      });
    const line = (text: string) =>
      place(events, ({ case: kind, value }) => {
        return kind === "log" && String(value.content.value).includes(text);
      });
    const order = [
      provision(OperationStatus.RUNNING),
      line("provisioning"),
      line("provisioned"),
      provision(OperationStatus.SUCCEEDED),
      place(events, ({ case: kind }) => kind === "service"),
      line("web is up"),
      place(events, ({ case: kind }) => kind === "result"),
    ];
    expect(order).toEqual([...order].sort((a, b) => a - b));
    expect(order[0]).toBeGreaterThanOrEqual(0);
    const log = events.find(({ case: kind }) => kind === "log");
    expect(log).toMatchObject({
      value: { serviceId: "", operationId: expect.stringMatching(/./) },
    });
  });

  it("sends a failing service's last words, then the error with its exit", async () => {
    const { events, error } = await prepare({
      realize: realize("run-2", ""),
      ensure: {
        services: [shellService("bad", "echo starting; sleep 0.1; echo boom >&2; exit 3")],
      },
    });
    const ofService = events.filter(({ case: kind, value }) => {
      return kind === "log" && value.serviceName === "bad";
    });
    expect(textOf(ofService)).toBe("starting\nboom\n");
    expect(error).toMatchObject({
      reason: "SERVICE_EXITED_EARLY",
      failures: [{ serviceName: "bad", exit: { code: 3 } }],
    });
    expect(resultOf(events)).toBeUndefined();
  });

  it("sends what a failing provision wrote, then the error; no service was begun", async () => {
    const { events, error } = await prepare({
      realize: realize("run-3", "echo no such package >&2; exit 9"),
      ensure: { services: [shellService("web", "sleep 600")] },
    });
    expect(textOf(events)).toContain("no such package\n");
    expect(error).toMatchObject({ reason: "COMMAND_FAILED", metadata: { exit_code: "9" } });
    expect(events.some(({ case: kind }) => kind === "service")).toBe(false);
  });

  it("goes on when the caller leaves, and the same call again joins it", async () => {
    const cwd = temporaryDirectory();
    const command = `echo once >> ${cwd}/count; echo begun; until [ -e ${cwd}/go ]; do sleep 0.02; done`;
    const request = {
      realize: realize("run-4", command),
      ensure: { services: [shellService("web", `echo start >> ${cwd}/starts; exec sleep 600`)] },
    };
    await prepare(request, (events) => textOf(events).includes("begun"));
    const again = prepare(request);
    await server.client.listOperations({ runIds: ["run-4"] });
    writeFileSync(join(cwd, "go"), "");
    const { events, error } = await again;
    expect(error).toBeUndefined();
    // The provision that was under way is told from its beginning.
    expect(textOf(events)).toContain("begun\n");
    expect(resultOf(events)?.ensured?.services).toHaveLength(1);
    expect(readFileSync(join(cwd, "count"), "utf8")).toBe("once\n");
    expect(readFileSync(join(cwd, "starts"), "utf8")).toBe("start\n");
  });

  it("is carried out to the end for a caller who never comes back", async () => {
    const request = {
      realize: realize("run-5", "echo begun; sleep 0.3"),
      ensure: { services: [shellService("web", "exec sleep 600")] },
    };
    await prepare(request, (events) => textOf(events).includes("begun"));
    await eventually(async () => {
      const { services } = await server.client.listServices({ runIds: ["run-5"] });
      return services[0]?.state === ServiceState.RUNNING;
    });
  });

  it("is one preparation for 20 concurrent calls of one run and workspace", async () => {
    const request = {
      realize: realize("run-6", "echo provisioning; sleep 0.2"),
      ensure: { services: [shellService("web", "echo up; exec sleep 600")] },
    };
    const calls = await Promise.all(Array.from({ length: 20 }, () => prepare(request)));
    expect(calls.map(({ error }) => error)).toEqual(calls.map(() => undefined));
    const results = calls.map(({ events }) => resultOf(events));
    const ids = results.map((result) => result?.ensured?.services[0]?.serviceId);
    expect(new Set(ids).size).toBe(1);
    expect(ids[0]).toBeDefined();
    expect(results.filter((result) => result?.ensured?.services[0]?.reused === false)).toHaveLength(
      1,
    );
    for (const { events } of calls) expect(textOf(events)).toContain("provisioning\n");
    const { leases } = await server.client.listLeases({ runIds: ["run-6"] });
    expect(leases).toHaveLength(2);
  });

  it("begins the lines of a joined service at the lease, not with its history", async () => {
    const realized = realize("run-7", "");
    const spec = shellService(
      "ticker",
      "n=0; while :; do n=$((n+1)); echo line $n.; sleep 0.02; done",
      {
        reuseScope: 2,
      },
    );
    const first = await prepare({ realize: realized, ensure: { services: [spec] } });
    const serviceId = resultOf(first.events)?.ensured?.services[0]?.serviceId ?? "";
    const history = async () => {
      const { chunks } = await server.client.readLogs({
        source: { case: "serviceId", value: serviceId },
      });
      return chunks.map(({ content }) => content.value).join("");
    };
    await eventually(async () => (await history()).includes("line 60."));
    const { events } = await prepare({
      realize: { ...realized, runId: "run-8" },
      ensure: { services: [{ ...spec }] },
    });
    expect(resultOf(events)?.ensured?.services).toMatchObject([{ serviceId, reused: true }]);
    expect(textOf(events)).not.toContain("line 1.\n");
  });

  it("leaves services alone when none are asked for, and a provision to itself with no_wait", async () => {
    const plain = await prepare({ realize: realize("run-9", "") });
    expect(resultOf(plain.events)?.ensured).toBeUndefined();
    expect(resultOf(plain.events)?.realized?.lease?.runId).toBe("run-9");
    const { events } = await prepare({
      realize: { ...realize("run-10", "sleep 0.2"), noWait: true },
    });
    expect(resultOf(events)?.realized?.workspace).toMatchObject({ state: 1 });
  });

  it("is ended by a release of its run: nothing is leased afterwards", async () => {
    const request = {
      realize: realize("run-11", "echo begun; sleep 0.5"),
      ensure: { services: [shellService("web", "exec sleep 600")] },
    };
    let released: Promise<unknown> | undefined;
    const { error } = await prepare(request, (events) => {
      if (textOf(events).includes("begun")) {
        released ??= server.client.releaseRun({ runId: "run-11" });
      }
      return false;
    });
    await released;
    expect(error).toMatchObject({ reason: "RUN_RELEASED" });
    const { leases } = await server.client.listLeases({ runIds: ["run-11"] });
    expect(leases).toEqual([]);
  });

  it("holds up nothing for a caller who does not read, and gives all back when that one leaves", async () => {
    const loud = "yes provisioning | head -n 2000000";
    const request = {
      realize: realize("run-12", loud),
      ensure: { services: [shellService("web", "yes serving | head -n 2000000; exec sleep 600")] },
    };
    const stop = new AbortController();
    const paused = server.client
      .prepareRun(request, { signal: stop.signal })
      [Symbol.asyncIterator]();
    await paused.next();
    const source = { case: "runId", value: "run-12" } as const;
    await eventually(
      async () => {
        const { services } = await server.client.listServices({ runIds: ["run-12"] });
        return services[0]?.state === ServiceState.RUNNING;
      },
      { timeoutMs: 60_000 },
    );
    const logs = server.client.streamLogs({ source, follow: true }, { signal: stop.signal });
    const pausedLogs = logs[Symbol.asyncIterator]();
    await pausedLogs.next();
    const counts = async () => (await server.client.getRuntimeInfo({})).counts;
    await eventually(async () => Number((await counts()).status_watchers) === 2);
    stop.abort();
    await eventually(async () => {
      const { log_readers, status_watchers, open_logs, live_services } = await counts();
      return log_readers === 0n && status_watchers === 0n && open_logs === live_services;
    });
  }, 90_000);

  it.each([
    ["realize", {}, "realize"],
    ["realize.run_id", { realize: { companyId: "c" } }, "realize.run_id"],
    ["ensure.run_id", { ensure: { runId: "other" } }, "ensure.run_id"],
    ["ensure.workspace_id", { ensure: { workspaceId: "other" } }, "ensure.workspace_id"],
    ["a spec", { ensure: { services: [{ name: "web" }] } }, "ensure.services[0].command"],
    [
      "specs beside from_config",
      { ensure: { fromConfig: true, services: [shellService("a", "true")] } },
      "ensure.services",
    ],
    ["a part of realize", { realize: { runId: "r", companyId: "c" } }, "realize.base_cwd"],
    [
      "a template, once the workspace is known",
      { ensure: { services: [shellService("a", "true", { cwd: "{{no.such}}" })] } },
      "ensure.services[0].cwd",
    ],
  ] as [string, Partial<Request>, string][])(
    "refuses %s with its path, and lives on",
    async (_name, wrong, field) => {
      const request =
        "realize" in wrong || field === "realize" ? {} : { realize: realize("bad", "") };
      const { error } = await prepare({ ...request, ...wrong } as Request);
      expect(error?.violations.map((one) => one.field)).toContain(field);
      if (!field.endsWith("cwd")) {
        const { workspaces } = await server.client.listWorkspaces({
          companyId: "c",
          issueIds: [`i${issues}`],
        });
        if ("realize" in request) expect(workspaces).toEqual([]);
      }
    },
  );
});
