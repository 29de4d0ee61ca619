import { create } from "@bufbuild/protobuf";
import { DesiredState, type ServiceSpec } from "../../gen/workspace/runtime/v1/service_pb.ts";
import {
  GitWorktreeStrategySchema,
  ProjectPrimaryStrategySchema,
  type RealizeWorkspaceRequest,
} from "../../gen/workspace/runtime/v1/workspace_pb.ts";
import {
  type ConfigProblem,
  type ConfigReader,
  createConfigReader,
  type Findings,
} from "./config-reader.ts";
import { readServiceSpec } from "./config-service.ts";

export type { ConfigProblem } from "./config-reader.ts";

/** A configuration as the API takes it. */
export interface ConvertedConfig {
  /** For `RealizeWorkspaceRequest.strategy`; its case is undefined if the configuration names none. */
  readonly strategy: RealizeWorkspaceRequest["strategy"];
  /** For `EnsureServicesRequest.services` and `RuntimeConfig.services`. */
  readonly services: ServiceSpec[];
  /** UNSPECIFIED if the configuration does not say. */
  readonly desiredState: DesiredState;
  /** What was left out or may not mean what it seems to. */
  readonly warnings: readonly ConfigProblem[];
}

/** A configuration with wrong types or values; `problems` has all of them. */
export class ConfigFileError extends Error {
  override readonly name = "ConfigFileError";
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    super(
      problems
        .map(({ path, message }) => (path === "" ? message : `${path} ${message}`))
        .join("; "),
    );
    this.problems = problems;
  }
}

/**
 * Converts `{ workspaceStrategy, workspaceRuntime, desiredState }`, the JSON that callers keep (also in a repository's
 * `workspace-runtime.json`), already parsed.
 * @throws ConfigFileError
 */
export function convertConfig(json: unknown): ConvertedConfig {
  const findings: Findings = { errors: [], warnings: [] };
  const root = createConfigReader(json, "", findings);
  const strategy = readStrategy(root.object("workspaceStrategy"));
  const services = readServices(root.object("workspaceRuntime"));
  const desired = root.choice("desiredState", ["running", "stopped", "manual"]);
  root.finish();
  if (findings.errors.length > 0) throw new ConfigFileError(findings.errors);
  return {
    strategy,
    services,
    desiredState:
      desired === undefined
        ? DesiredState.UNSPECIFIED
        : DesiredState[desired.toUpperCase() as "RUNNING" | "STOPPED" | "MANUAL"],
    warnings: findings.warnings,
  };
}

function readStrategy(config: ConfigReader | undefined): ConvertedConfig["strategy"] {
  if (config === undefined) return { case: undefined };
  const type = config.choice("type", ["project_primary", "git_worktree"], { required: true });
  const worktree = create(GitWorktreeStrategySchema, {
    branchTemplate: config.template("branchTemplate"),
    // Not a template, and a shell would not see it either.
    worktreeParentDir: config.template("worktreeParentDir"),
    baseRef: config.text("baseRef"),
    provisionCommand: config.text("provisionCommand"),
    cleanupCommand: config.text("cleanupCommand"),
    teardownCommand: config.text("teardownCommand"),
  });
  config.finish();
  return type === "git_worktree"
    ? { case: "gitWorktree", value: worktree }
    : { case: "projectPrimary", value: create(ProjectPrimaryStrategySchema) };
}

function readServices(config: ConfigReader | undefined): ServiceSpec[] {
  if (config === undefined) return [];
  const services: ServiceSpec[] = [];
  const add = (entry: ConfigReader) => {
    const spec = readServiceSpec(entry);
    if (services.some(({ name }) => name === spec.name)) {
      entry.error("name", `is "${spec.name}", as that of another service`);
    }
    services.push(spec);
  };
  for (const entry of [...config.list("services"), ...config.list("commands")]) {
    const kind = entry.choice("kind", ["service", "job"]) ?? "service";
    if (kind === "job") entry.warn("kind", "is job: left out, jobs are not services");
    else add(entry);
  }
  config.finish();
  return services;
}
