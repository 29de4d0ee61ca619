import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { ListOperationsRequestSchema } from "../../gen/workspace/runtime/v1/operation_pb.ts";
import { EnsureServicesRequestSchema } from "../../gen/workspace/runtime/v1/run_pb.ts";
import {
  StartServicesRequestSchema,
  StopServicesRequestSchema,
} from "../../gen/workspace/runtime/v1/service_pb.ts";
import { ResourceKind, WatchStatusRequestSchema } from "../../gen/workspace/runtime/v1/watch_pb.ts";
import {
  RealizeWorkspaceRequestSchema,
  WorkspaceState,
} from "../../gen/workspace/runtime/v1/workspace_pb.ts";
import { WorkspaceRuntime } from "../../gen/workspace/runtime/v1/workspace_runtime_pb.ts";
import { createSystemClock } from "../../src/clock.ts";
import type { CallContext } from "../../src/rpc/context.ts";
import { createHandlers, type HandlerDependencies } from "../../src/rpc/handlers.ts";
import { workspaceRecord } from "../support/records.ts";

const context: CallContext = {
  signal: new AbortController().signal,
  principal: { kind: "local" },
};

/** Handlers over a domain of which only `parts` exist. */
function handlersOver(
  parts: {
    [K in keyof HandlerDependencies]?: Partial<HandlerDependencies[K]>;
  },
) {
  return createHandlers({
    clock: createSystemClock(),
    cursorAt: (revision: number) => `at-${revision}`,
    ...parts,
  } as unknown as HandlerDependencies);
}

const emptyPage = { items: [], nextPageToken: "next", revision: 7 };

describe("the handlers", () => {
  it("answer every method of the contract", async () => {
    const handlers = handlersOver({});
    expect(Object.keys(handlers).sort()).toEqual(
      WorkspaceRuntime.methods.map(({ localName }) => localName).sort(),
    );
  });

  it("hand a realize over as asked, absent parts absent, and tell what this call made", async () => {
    let asked: unknown;
    const { realizeWorkspace } = handlersOver({
      workspaces: {
        async realize(request) {
          asked = request;
          return {
            workspace: workspaceRecord({ workspaceId: "w9" }),
            created: true,
            operations: [],
            provisioned: false,
            previousState: "FAILED",
          };
        },
      },
    });
    const request = create(RealizeWorkspaceRequestSchema, {
      companyId: "c",
      baseCwd: "/repo",
      agent: { agentId: "a", name: "Ada" },
      leaseTtl: { seconds: 0n },
      strategy: { case: "gitWorktree", value: { baseRef: "main" } },
      commandEnv: { KEY: "secret" },
    });
    const answer = await realizeWorkspace(request, context);
    expect(asked).toEqual({
      workspaceId: "",
      companyId: "c",
      projectId: "",
      projectWorkspaceId: "",
      name: "",
      baseCwd: "/repo",
      repoUrl: "",
      repoRef: "",
      agent: { agentId: "a", name: "Ada" },
      runId: "",
      leaseTtlMs: 0,
      strategy: { kind: "git_worktree", gitWorktree: { baseRef: "main" } },
      labels: {},
      commandEnv: { KEY: "secret" },
      noWait: false,
    });
    expect(answer).toMatchObject({
      workspace: { workspaceId: "w9", created: true },
      previousState: WorkspaceState.FAILED,
    });
  });

  it("hand an ensure over with its specs, and failures back", async () => {
    let asked: { services?: unknown; leaseTtlMs?: number } = {};
    const { ensureServices } = handlersOver({
      services: {
        async ensure(request) {
          asked = request;
          const failure = { serviceName: "web", reason: "PORT_IN_USE", message: "no" } as const;
          return { services: [], failures: [failure], readyComment: "ready", runEnv: { A: "1" } };
        },
      },
    });
    const answer = await ensureServices(
      create(EnsureServicesRequestSchema, {
        runId: "r",
        workspaceId: "w",
        services: [{ name: "web", port: { port: { case: "value", value: 70_000 } } }],
      }),
      context,
    );
    expect(asked.services).toEqual([{ name: "web", port: { port: 70_000 } }]);
    expect(asked).not.toHaveProperty("leaseTtlMs");
    expect(answer).toMatchObject({
      failures: [{ serviceName: "web", message: "no" }],
      readyComment: "ready",
      runEnv: { A: "1" },
    });
  });

  it("know the target of a control call, and refuse one without", async () => {
    const targets: unknown[] = [];
    const operation = {
      operationId: "o",
      phase: "SERVICE_CONTROL",
      status: "SUCCEEDED",
      serviceIds: [],
      metadata: {},
      stdoutBytes: 0,
      stderrBytes: 0,
      startTime: 1,
      revision: 1,
    } as never;
    const control = async ({ target }: { target: unknown }) => {
      targets.push(target);
      return { services: [], stopped: [], failures: [], operation };
    };
    const { startServices, stopServices } = handlersOver({
      services: { start: control, stop: control },
    });
    const stop = (target: {
      case: "serviceId" | "workspaceId" | "projectWorkspaceId";
      value: string;
    }) => stopServices(create(StopServicesRequestSchema, { target }), context);
    await stop({ case: "serviceId", value: "s" });
    await stop({ case: "workspaceId", value: "w" });
    await stop({ case: "projectWorkspaceId", value: "p" });
    const target = { case: "workspaceId" as const, value: "w" };
    await startServices(create(StartServicesRequestSchema, { target }), context);
    expect(targets).toEqual([
      { kind: "service", serviceId: "s" },
      { kind: "workspace", workspaceId: "w" },
      { kind: "project_workspace", projectWorkspaceId: "p" },
      { kind: "workspace", workspaceId: "w" },
    ]);
    await expect(stopServices(create(StopServicesRequestSchema), context)).rejects.toMatchObject({
      violations: [{ field: "target", description: "is required" }],
    });
  });

  it("page lists and say where a watch goes on", async () => {
    let page: unknown;
    const { listOperations } = handlersOver({
      operations: {
        async list(_filter, asked) {
          page = asked;
          return emptyPage;
        },
      },
    });
    const request = create(ListOperationsRequestSchema, { pageSize: 5, pageToken: "t" });
    expect(await listOperations(request, context)).toMatchObject({
      nextPageToken: "next",
      cursor: "at-7",
    });
    expect(page).toEqual({ pageSize: 5, pageToken: "t" });
  });

  it("tell each kind of change, whole", async () => {
    const { watchStatus } = handlersOver({
      watch: async function* ({ filter, noFold }: { filter: unknown; noFold: boolean }) {
        expect(filter).toMatchObject({ companyId: "c", kinds: ["SERVICE", "LEASE"] });
        expect(noFold).toBe(true);
        yield {
          changes: [
            { revision: 3, type: "DELETED", kind: "WORKSPACE", resource: workspaceRecord() },
          ],
          cursor: "cur",
          snapshotComplete: true,
          heartbeat: false,
        };
      } as never,
    });
    const request = create(WatchStatusRequestSchema, {
      companyId: "c",
      kinds: [ResourceKind.SERVICE, ResourceKind.LEASE],
      noFold: true,
    });
    const messages = [];
    for await (const message of watchStatus(request, context)) messages.push(message);
    expect(messages).toMatchObject([
      {
        cursor: "cur",
        snapshotComplete: true,
        changes: [
          { type: 2, revision: 3n, resource: { case: "workspace", value: { workspaceId: "w1" } } },
        ],
      },
    ]);
  });
});
