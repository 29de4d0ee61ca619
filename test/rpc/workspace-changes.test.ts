import { create, fromJson, type MessageInitShape } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { DesiredState } from "../../gen/workspace/runtime/v1/service_pb.ts";
import {
  UpdateWorkspaceRequestSchema,
  type WorkspaceSchema,
  WorkspaceState,
} from "../../gen/workspace/runtime/v1/workspace_pb.ts";
import { changesFromMessage } from "../../src/rpc/convert/workspace-changes.ts";

const changes = (paths: string[], workspace: MessageInitShape<typeof WorkspaceSchema> = {}) =>
  changesFromMessage(create(UpdateWorkspaceRequestSchema, { workspace, updateMask: { paths } }));

describe("the mask of an update", () => {
  it("names what is read; the rest of the workspace is not", () => {
    const workspace = {
      name: "N",
      state: WorkspaceState.IDLE,
      labels: { a: "1" },
      desiredState: DesiredState.RUNNING,
      gitWorktree: { provisionCommand: "p", cleanupCommand: "c", teardownCommand: "t" },
    };
    expect(changes(["name"], workspace)).toEqual({ name: "N" });
    expect(
      changes(["state", "labels", "desired_state", "git_worktree.cleanup_command"], workspace),
    ).toEqual({
      state: "IDLE",
      labels: { a: "1" },
      desiredState: "RUNNING",
      gitWorktree: { cleanupCommand: "c" },
    });
  });

  it("empties what it names without a value, but for a desired state", () => {
    const all = [
      "name",
      "labels",
      "runtime_config",
      "desired_state",
      "service_states",
      "git_worktree.provision_command",
      "git_worktree.cleanup_command",
      "git_worktree.teardown_command",
      "git_worktree.provision_policy",
    ];
    expect(changes(all)).toEqual({
      name: "",
      labels: {},
      runtimeConfig: null,
      serviceStates: {},
      gitWorktree: {
        provisionCommand: "",
        cleanupCommand: "",
        teardownCommand: "",
        provisionPolicy: undefined,
      },
    });
  });

  it("is refused with the place of each path that cannot be updated", () => {
    const refused = (...violations: string[]) =>
      expect.objectContaining({
        reason: "INVALID_FIELD",
        violations: violations.map((field) => expect.objectContaining({ field })),
      });
    expect(() => changes(["name", "cwd", "git_worktree", "toString"])).toThrow(
      refused("update_mask.paths[1]", "update_mask.paths[2]", "update_mask.paths[3]"),
    );
    expect(() => changes([])).toThrow(refused("update_mask"));
    expect(() => changes(["state"])).toThrow(refused("workspace.state"));
    expect(() => changes(["state"], { state: WorkspaceState.FAILED })).toThrow(
      refused("workspace.state"),
    );
  });

  it("is written in camel case in JSON", () => {
    const request = fromJson(UpdateWorkspaceRequestSchema, {
      workspace: { gitWorktree: { provisionPolicy: "PROVISION_POLICY_ON_CREATE" } },
      updateMask: "gitWorktree.provisionPolicy",
    });
    expect(changesFromMessage(request)).toEqual({ gitWorktree: { provisionPolicy: "ON_CREATE" } });
  });
});
