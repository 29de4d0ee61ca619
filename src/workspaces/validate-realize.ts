import { isAbsolute } from "node:path";
import { type FieldViolation, RuntimeError } from "../errors.ts";
import type { GitWorktreeStrategy } from "../model/workspace.ts";
import { validateSpecs } from "../services/validate-spec.ts";
import type { RealizeRequest } from "./workspaces.ts";

const LONGEST_ID = 200;
const MOST_LABELS = 64;
const LONGEST_LABEL_BYTES = 4096;

/** What one request can say wrongly, whatever is stored. Throws INVALID_FIELD with every field's path. */
export function validateRealize(request: RealizeRequest): void {
  refuseViolations([
    ...idViolations(request),
    ...pathViolations("base_cwd", request.baseCwd, { absolute: true }),
    ...labelViolations(request.labels),
    ...environmentViolations("command_env", request.commandEnv),
    ...strategyViolations(request),
  ]);
  validateSpecs(request.runtimeConfig?.services ?? [], "runtime_config.services");
}

/** What a new workspace must be told, since nothing is stored. */
export function validateNewWorkspace(request: RealizeRequest): void {
  const required = {
    company_id: request.companyId,
    base_cwd: request.baseCwd,
    "agent.name": request.agent?.name ?? "",
  };
  refuseViolations(
    Object.entries(required).flatMap(([field, value]) =>
      value === "" ? [{ field, description: "is required" }] : [],
    ),
  );
}

function refuseViolations(violations: readonly FieldViolation[]): void {
  if (violations.length === 0) return;
  const message = violations.map(({ field, description }) => `${field}: ${description}`).join("; ");
  throw new RuntimeError("INVALID_FIELD", message, { violations });
}

function idViolations(request: RealizeRequest): FieldViolation[] {
  const ids = {
    workspace_id: request.workspaceId,
    company_id: request.companyId,
    project_id: request.projectId,
    project_workspace_id: request.projectWorkspaceId,
    run_id: request.runId,
    "issue.issue_id": request.issue?.issueId ?? "",
    "agent.agent_id": request.agent?.agentId ?? "",
  };
  return Object.entries(ids).flatMap(([field, id]) =>
    id.length <= LONGEST_ID && /^[^\p{C}\p{Z}]*$/u.test(id)
      ? []
      : [{ field, description: `must be at most ${LONGEST_ID} visible characters` }],
  );
}

function pathViolations(field: string, path: string, { absolute = false } = {}): FieldViolation[] {
  if (path === "") return [];
  if (path.includes("\0")) return [{ field, description: "must not hold NUL" }];
  if (absolute && !isAbsolute(path)) return [{ field, description: "must be an absolute path" }];
  return [];
}

function labelViolations(labels: Readonly<Record<string, string>>): FieldViolation[] {
  const entries = Object.entries(labels);
  const violations: FieldViolation[] = [];
  if (entries.length > MOST_LABELS) {
    violations.push({ field: "labels", description: `must be at most ${MOST_LABELS}` });
  }
  for (const [key, value] of entries) {
    if (key === "" || Buffer.byteLength(value) > LONGEST_LABEL_BYTES) {
      const description = `must have a name and at most ${LONGEST_LABEL_BYTES} bytes`;
      violations.push({ field: `labels.${key}`, description });
    }
  }
  return violations;
}

/** Throws INVALID_FIELD for what cannot be an environment of commands. */
export function validateCommandEnv(env: Readonly<Record<string, string>>): void {
  refuseViolations(environmentViolations("command_env", env));
}

function environmentViolations(
  field: string,
  env: Readonly<Record<string, string>>,
): FieldViolation[] {
  return Object.entries(env).flatMap(([key, value]) => {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(key)) {
      return [{ field: `${field}.${key}`, description: "is no name of a variable" }];
    }
    return value.includes("\0")
      ? [{ field: `${field}.${key}`, description: "must not hold NUL" }]
      : [];
  });
}

function strategyViolations({ strategy }: RealizeRequest): FieldViolation[] {
  if (strategy?.kind !== "git_worktree") return [];
  const { gitWorktree } = strategy;
  const violations = pathViolations(
    "git_worktree.worktree_parent_dir",
    gitWorktree.worktreeParentDir ?? "",
  );
  for (const [key, list] of relativePathLists(gitWorktree)) {
    for (const [index, path] of list.entries()) {
      const field = `git_worktree.${key}[${index}]`;
      violations.push(...pathViolations(field, path));
      if (path === "" || isAbsolute(path) || path.split("/").includes("..")) {
        violations.push({ field, description: "must be a path inside the checkout" });
      }
    }
  }
  return violations;
}

function relativePathLists(strategy: GitWorktreeStrategy): [string, readonly string[]][] {
  return [
    ["provision_inputs", strategy.provisionInputs ?? []],
    ["copy_files", strategy.copyFiles ?? []],
  ];
}
