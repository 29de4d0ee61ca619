import type { MessageShape } from "@bufbuild/protobuf";
import type { UpdateWorkspaceRequestSchema } from "../../../gen/workspace/runtime/v1/workspace_pb.ts";
import { type FieldViolation, RuntimeError } from "../../errors.ts";
import type { WorkspaceChanges } from "../../workspaces/workspaces.ts";
import { runtimeConfigFromMessage } from "./service-spec.ts";
import {
  desiredStateFromValue,
  desiredStatesFromMessage,
  provisionPolicyFromValue,
  workspaceStateFromValue,
} from "./workspace.ts";

type UpdateMessage = MessageShape<typeof UpdateWorkspaceRequestSchema>;
type WorkspaceMessage = NonNullable<UpdateMessage["workspace"]>;

/**
 * What the mask names, read from the workspace; one path without a value empties its field. Throws
 * INVALID_FIELD for a mask that is missing, and with the place of each path that cannot be updated.
 */
export function changesFromMessage({ workspace, updateMask }: UpdateMessage): WorkspaceChanges {
  const paths = updateMask?.paths ?? [];
  const violations: FieldViolation[] = [];
  if (paths.length === 0) {
    violations.push({ field: "update_mask", description: `is required: name some of ${KNOWN}` });
  }
  let changes: WorkspaceChanges = {};
  for (const [index, path] of paths.entries()) {
    const read = Object.hasOwn(readers, path) ? readers[path] : undefined;
    if (read === undefined) {
      const description = `"${path}" cannot be updated; what can: ${KNOWN}`;
      violations.push({ field: `update_mask.paths[${index}]`, description });
      continue;
    }
    const { gitWorktree, ...others } = read(workspace);
    changes = { ...changes, ...others };
    if (gitWorktree !== undefined) {
      changes = { ...changes, gitWorktree: { ...changes.gitWorktree, ...gitWorktree } };
    }
  }
  const [first] = violations;
  if (first === undefined) return changes;
  throw new RuntimeError("INVALID_FIELD", `${first.field}: ${first.description}`, { violations });
}

const readers: Readonly<
  Record<string, (workspace: WorkspaceMessage | undefined) => WorkspaceChanges>
> = {
  state: (workspace) => ({ state: readState(workspace) }),
  name: (workspace) => ({ name: workspace?.name ?? "" }),
  labels: (workspace) => ({ labels: { ...workspace?.labels } }),
  runtime_config: (workspace) => ({
    runtimeConfig: workspace?.runtimeConfig
      ? runtimeConfigFromMessage(workspace.runtimeConfig)
      : null,
  }),
  desired_state: (workspace) => {
    const desiredState = desiredStateFromValue(workspace?.desiredState ?? 0);
    return desiredState === undefined ? {} : { desiredState };
  },
  service_states: (workspace) => ({
    serviceStates: desiredStatesFromMessage(workspace?.serviceStates ?? {}),
  }),
  "git_worktree.provision_command": (workspace) => ({
    gitWorktree: { provisionCommand: workspace?.gitWorktree?.provisionCommand ?? "" },
  }),
  "git_worktree.cleanup_command": (workspace) => ({
    gitWorktree: { cleanupCommand: workspace?.gitWorktree?.cleanupCommand ?? "" },
  }),
  "git_worktree.teardown_command": (workspace) => ({
    gitWorktree: { teardownCommand: workspace?.gitWorktree?.teardownCommand ?? "" },
  }),
  "git_worktree.provision_policy": (workspace) => ({
    gitWorktree: {
      provisionPolicy: provisionPolicyFromValue(workspace?.gitWorktree?.provisionPolicy ?? 0),
    },
  }),
};

const KNOWN = Object.keys(readers).join(", ");

function readState(workspace: WorkspaceMessage | undefined): WorkspaceChanges["state"] & {} {
  const state = workspaceStateFromValue(workspace?.state ?? 0);
  switch (state) {
    case "ACTIVE":
    case "IDLE":
    case "IN_REVIEW":
    case "ARCHIVED":
      return state;
    default: {
      const description = "must be ACTIVE, IDLE, IN_REVIEW or ARCHIVED; the server sets the others";
      throw new RuntimeError("INVALID_FIELD", `workspace.state: ${description}`, {
        violations: [{ field: "workspace.state", description }],
      });
    }
  }
}
