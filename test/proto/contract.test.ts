import type { DescEnum, DescFile } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel as Level } from "@bufbuild/protobuf/wkt";
import { describe, expect, it } from "vitest";
import { ErrorReasonSchema } from "../../gen/workspace/runtime/v1/error_reason_pb.ts";
import { StateReasonSchema } from "../../gen/workspace/runtime/v1/service_pb.ts";
import {
  file_workspace_runtime_v1_workspace_runtime as runtimeFile,
  WorkspaceRuntime,
} from "../../gen/workspace/runtime/v1/workspace_runtime_pb.ts";

const { NO_SIDE_EFFECTS, IDEMPOTENT, IDEMPOTENCY_UNKNOWN } = Level;

/** Every method of the contract. Callers retry, cache and use GET by these two facts. */
const methods: Record<string, [kind: "unary" | "server_streaming", level: Level]> = {
  PutProjectWorkspace: ["unary", IDEMPOTENT],
  GetProjectWorkspace: ["unary", NO_SIDE_EFFECTS],
  ListProjectWorkspaces: ["unary", NO_SIDE_EFFECTS],
  DeleteProjectWorkspace: ["unary", IDEMPOTENCY_UNKNOWN],
  RealizeWorkspace: ["unary", IDEMPOTENT],
  ImportWorkspace: ["unary", IDEMPOTENT],
  GetWorkspace: ["unary", NO_SIDE_EFFECTS],
  ListWorkspaces: ["unary", NO_SIDE_EFFECTS],
  UpdateWorkspace: ["unary", IDEMPOTENT],
  CleanupWorkspace: ["unary", IDEMPOTENT],
  RestoreWorkspace: ["unary", IDEMPOTENT],
  ListRescues: ["unary", NO_SIDE_EFFECTS],
  DeleteRescue: ["unary", IDEMPOTENCY_UNKNOWN],
  PrepareRun: ["server_streaming", IDEMPOTENT],
  EnsureServices: ["unary", IDEMPOTENT],
  RenewRun: ["unary", IDEMPOTENT],
  ReleaseRun: ["unary", IDEMPOTENT],
  ListLeases: ["unary", NO_SIDE_EFFECTS],
  StartServices: ["unary", IDEMPOTENCY_UNKNOWN],
  StopServices: ["unary", IDEMPOTENT],
  RestartServices: ["unary", IDEMPOTENCY_UNKNOWN],
  ReportServices: ["unary", IDEMPOTENT],
  GetService: ["unary", NO_SIDE_EFFECTS],
  ListServices: ["unary", NO_SIDE_EFFECTS],
  GetOperation: ["unary", NO_SIDE_EFFECTS],
  ListOperations: ["unary", NO_SIDE_EFFECTS],
  CancelOperation: ["unary", IDEMPOTENCY_UNKNOWN],
  WatchStatus: ["server_streaming", IDEMPOTENCY_UNKNOWN],
  StreamLogs: ["server_streaming", IDEMPOTENCY_UNKNOWN],
  ReadLogs: ["unary", NO_SIDE_EFFECTS],
  GetRuntimeInfo: ["unary", NO_SIDE_EFFECTS],
  CollectGarbage: ["unary", IDEMPOTENCY_UNKNOWN],
};

const errorReasons = `
  INVALID_FIELD INVALID_BRANCH_NAME INVALID_TEMPLATE DEPENDENCY_CYCLE
  WORKSPACE_NOT_FOUND SERVICE_NOT_FOUND OPERATION_NOT_FOUND PROJECT_WORKSPACE_NOT_FOUND RUN_NOT_FOUND
  NOT_A_GIT_REPOSITORY BASE_REF_NOT_FOUND WORKTREE_PATH_OCCUPIED WORKTREE_BRANCH_MISMATCH
  WORKTREE_IN_USE BRANCH_CONFLICT
  WORKSPACE_CONFLICT WORKSPACE_ARCHIVED PROJECT_WORKSPACE_IN_USE
  WORKSPACE_DIRTY WORKSPACE_LEASED SERVICE_LEASED PATH_NOT_ALLOWED
  COMMAND_FAILED COMMAND_TIMED_OUT LINK_REPAIR_FAILED
  PORT_IN_USE SERVICE_EXITED_EARLY SERVICE_NOT_READY SPAWN_FAILED DEPENDENCY_FAILED SERVICE_STOPPED
  STALE_REVISION RUN_RELEASED STOP_NOT_PROVEN CURSOR_EXPIRED
  LIMIT_EXCEEDED PORT_RANGE_EXHAUSTED STORAGE_FULL STORE_UNAVAILABLE SHUTTING_DOWN STARTING_UP
  UNAUTHENTICATED FORBIDDEN NOT_IMPLEMENTED INTERNAL`;

const stateReasons = `
  STOP_REQUESTED LEASES_ENDED LEASE_EXPIRED IDLE_TIMEOUT EXITED SIGNALLED OOM_KILLED CRASH_LOOP
  UNHEALTHY NOT_READY EXITED_EARLY RESTARTED STRAY RUN_RELEASED WORKSPACE_ARCHIVED EXIT_STATUS_LOST`;

const files = contractFiles(runtimeFile);

/** The contract's own files: the service's and all that it imports, without vendored ones. */
function contractFiles(file: DescFile): DescFile[] {
  const own = [file, ...file.dependencies].filter((f) => f.proto.package === file.proto.package);
  const imported = own.slice(1).flatMap(contractFiles);
  return [...new Map([...own, ...imported].map((f) => [f.name, f])).values()];
}

function namesWithoutPrefix(desc: DescEnum): string[] {
  return desc.values.filter((v) => v.number !== 0).map((v) => v.name.slice(prefixOf(desc).length));
}

function prefixOf(desc: DescEnum): string {
  return `${desc.name.replace(/(?<=[a-z])(?=[A-Z])/g, "_").toUpperCase()}_`;
}

const words = (text: string) => text.trim().split(/\s+/);

describe("the contract", () => {
  it("has every method with its streaming kind and idempotency level, and no other", () => {
    const found = WorkspaceRuntime.methods.map((m) => [m.name, [m.methodKind, m.idempotency]]);
    expect(Object.fromEntries(found)).toEqual(methods);
    expect(WorkspaceRuntime.typeName).toBe("workspace.runtime.v1.WorkspaceRuntime");
  });

  it("is split into one file a resource", () => {
    const names = files.map((f) => f.name.replace("workspace/runtime/v1/", "")).sort();
    expect(names).toEqual(
      words(`error_reason info lease log operation project_workspace run service watch workspace
        workspace_runtime`),
    );
  });

  it("names every error reason and every state reason", () => {
    expect(namesWithoutPrefix(ErrorReasonSchema).sort()).toEqual(words(errorReasons).sort());
    expect(namesWithoutPrefix(StateReasonSchema).sort()).toEqual(words(stateReasons).sort());
  });

  it("begins every enum with UNSPECIFIED and prefixes every value", () => {
    for (const desc of files.flatMap((f) => f.enums)) {
      expect(desc.values[0]).toMatchObject({ number: 0, name: `${prefixOf(desc)}UNSPECIFIED` });
      for (const value of desc.values) expect(value.name.startsWith(prefixOf(desc))).toBe(true);
    }
  });

  it("keeps every message and enum at the top level", () => {
    for (const message of files.flatMap((f) => f.messages)) {
      // Entries of map fields are messages too, made by the compiler.
      const nested = message.nestedMessages.filter((m) => m.proto.options?.mapEntry !== true);
      expect([message.name, ...nested, ...message.nestedEnums]).toEqual([message.name]);
    }
  });

  it("gives every changing request an actor", () => {
    const reading = /^(Get|List|Read|Watch|Stream)/;
    // PrepareRun's two parts have one each.
    const changing = WorkspaceRuntime.methods.filter(
      (m) => !reading.test(m.name) && m.name !== "PrepareRun",
    );
    const without = changing.filter((m) => !m.input.fields.some((f) => f.name === "actor"));
    expect(without.map((m) => m.name)).toEqual([]);
  });

  it("pages every list and says from where to watch it", () => {
    for (const { input, output } of WorkspaceRuntime.methods.filter((m) =>
      m.name.startsWith("List"),
    )) {
      const tail = input.fields.slice(-2).map((f) => f.name);
      expect([input.name, ...tail]).toEqual([input.name, "page_size", "page_token"]);
      const [resources, ...rest] = output.fields;
      expect(resources?.fieldKind).toBe("list");
      expect(rest.map((f) => f.name)).toEqual(["next_page_token", "cursor"]);
    }
  });

  it("selects a resource by field 1", () => {
    const first = Object.fromEntries(
      WorkspaceRuntime.methods.map((m) => [
        m.name,
        m.input.fields.find((f) => f.number === 1)?.name,
      ]),
    );
    expect(first).toMatchObject({
      GetProjectWorkspace: "project_workspace_id",
      DeleteProjectWorkspace: "project_workspace_id",
      RealizeWorkspace: "workspace_id",
      GetWorkspace: "workspace_id",
      UpdateWorkspace: "workspace",
      CleanupWorkspace: "workspace_id",
      RestoreWorkspace: "workspace_id",
      EnsureServices: "run_id",
      RenewRun: "run_id",
      ReleaseRun: "run_id",
      StopServices: "service_id",
      RestartServices: "service_id",
      GetService: "service_id",
      GetOperation: "operation_id",
      CancelOperation: "operation_id",
      StreamLogs: "service_id",
      ReadLogs: "service_id",
    });
    for (const { input } of [
      WorkspaceRuntime.method.streamLogs,
      WorkspaceRuntime.method.readLogs,
    ]) {
      expect(input.field.operationId.number).toBe(2);
    }
  });
});
