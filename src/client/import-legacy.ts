import { create } from "@bufbuild/protobuf";
import { DesiredState, type ServiceSpec } from "../../gen/workspace/runtime/v1/service_pb.ts";
import {
  GitWorktreeStrategySchema,
  type ImportWorkspaceRequest,
  ImportWorkspaceRequestSchema,
  WorkspaceSource,
  WorkspaceState,
  WorkspaceStrategy,
} from "../../gen/workspace/runtime/v1/workspace_pb.ts";
import { ConfigFileError, convertConfig } from "./config.ts";
import { type ConfigReader, createConfigReader, type Findings } from "./config-reader.ts";

export interface LegacyOptions {
  /**
   * The directory of the row's project workspace. Default: for a git worktree the root of its main
   * checkout, as the server finds it; for a primary checkout the row's own `cwd`.
   */
  readonly baseCwd?: string;
}

/**
 * What ImportWorkspace takes, from a row of the orchestrator's own module: an ExecutionWorkspace, as
 * JSON. Keys that are not known are ignored, null is as good as absent. `metadata.createdByRuntime` is
 * passed on as both flags (the branch's own, `branchCreatedByRuntime`, wins); the server checks them.
 * @throws ConfigFileError with the path of each wrong type
 */
export function importRequestFromLegacy(
  row: unknown,
  options: LegacyOptions = {},
): ImportWorkspaceRequest {
  const findings: Findings = { errors: [], warnings: [] };
  const fields = createConfigReader(row, "", findings);
  const strategy = fields.choice("strategyType", keysOf(STRATEGIES), { required: true });
  const isWorktree = strategy === "git_worktree";
  const state = fields.choice("status", keysOf(STATES));
  const metadata = fields.object("metadata");
  const source = metadata?.choice("source", keysOf(SOURCES));
  const created = flag(metadata, "createdByRuntime") ?? false;
  const issueId = fields.text("sourceIssueId");
  const cwd = fields.text("cwd");
  const place = isWorktree ? fields.text("providerRef") || cwd : cwd;
  if (place === "") fields.error("cwd", "is missing");
  const config = readConfig(fields, metadata, findings);
  const request = create(ImportWorkspaceRequestSchema, {
    workspace: {
      workspaceId: fields.text("id", { required: true }),
      companyId: fields.text("companyId", { required: true }),
      projectId: fields.text("projectId"),
      projectWorkspaceId: fields.text("projectWorkspaceId"),
      name: fields.text("name"),
      ...(issueId !== "" && { issue: { issueId } }),
      source: source === undefined ? WorkspaceSource.UNSPECIFIED : SOURCES[source],
      strategy: strategy === undefined ? WorkspaceStrategy.UNSPECIFIED : STRATEGIES[strategy],
      state: state === undefined ? WorkspaceState.UNSPECIFIED : STATES[state],
      baseCwd: options.baseCwd ?? (isWorktree ? "" : cwd),
      cwd: isWorktree ? "" : place,
      worktreePath: isWorktree ? place : "",
      branchName: isWorktree ? fields.text("branchName") : "",
      repoUrl: fields.text("repoUrl"),
      baseRef: isWorktree ? fields.text("baseRef") : "",
      directoryCreated: isWorktree && created,
      branchCreated: isWorktree && (flag(metadata, "branchCreatedByRuntime") ?? created),
      ...(isWorktree && { gitWorktree: config.gitWorktree }),
      ...(config.services.length > 0 && { runtimeConfig: { services: config.services } }),
      desiredState: config.desiredState,
      serviceStates: config.serviceStates,
    },
  });
  if (findings.errors.length > 0) throw new ConfigFileError(findings.errors);
  return request;
}

const STRATEGIES = {
  project_primary: WorkspaceStrategy.PROJECT_PRIMARY,
  git_worktree: WorkspaceStrategy.GIT_WORKTREE,
};

const STATES = {
  active: WorkspaceState.ACTIVE,
  idle: WorkspaceState.IDLE,
  in_review: WorkspaceState.IN_REVIEW,
  archived: WorkspaceState.ARCHIVED,
  cleanup_failed: WorkspaceState.CLEANUP_FAILED,
};

const SOURCES = {
  project_primary: WorkspaceSource.PROJECT_PRIMARY,
  task_session: WorkspaceSource.TASK_SESSION,
  agent_home: WorkspaceSource.AGENT_HOME,
};

const DESIRED = {
  running: DesiredState.RUNNING,
  stopped: DesiredState.STOPPED,
  manual: DesiredState.MANUAL,
};

/** The commands and services of a row: its `config`, which older rows keep in `metadata`. */
function readConfig(fields: ConfigReader, metadata: ConfigReader | undefined, findings: Findings) {
  const config = fields.object("config") ?? metadata?.object("config");
  const states = config?.object("serviceStates");
  const names = states === undefined ? [] : Object.keys(Object(config?.raw("serviceStates")));
  const desired = config?.choice("desiredState", keysOf(DESIRED));
  return {
    gitWorktree: create(GitWorktreeStrategySchema, {
      provisionCommand: config?.text("provisionCommand") ?? "",
      cleanupCommand: config?.text("cleanupCommand") ?? "",
      teardownCommand: config?.text("teardownCommand") ?? "",
    }),
    services: readServices(config, findings),
    desiredState: desired === undefined ? DesiredState.UNSPECIFIED : DESIRED[desired],
    serviceStates: Object.fromEntries(
      names.flatMap((name) => {
        const state = states?.choice(name, keysOf(DESIRED));
        return state === undefined ? [] : [[name, DESIRED[state]]];
      }),
    ),
  };
}

function readServices(config: ConfigReader | undefined, findings: Findings): ServiceSpec[] {
  const workspaceRuntime = config?.raw("workspaceRuntime");
  if (config === undefined || workspaceRuntime === undefined) return [];
  try {
    return convertConfig({ workspaceRuntime }).services;
  } catch (error) {
    if (!(error instanceof ConfigFileError)) throw error;
    for (const { path, message } of error.problems) {
      findings.errors.push({ path: `${config.path}.${path}`, message });
    }
    return [];
  }
}

function flag(fields: ConfigReader | undefined, key: string): boolean | undefined {
  const found = fields?.raw(key);
  if (found === undefined || typeof found === "boolean") return found;
  fields?.error(key, `must be true or false, not ${JSON.stringify(found)}`);
  return undefined;
}

function keysOf<T extends object>(table: T): (keyof T & string)[] {
  return Object.keys(table) as (keyof T & string)[];
}
