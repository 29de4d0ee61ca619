import { randomUUID } from "node:crypto";
import { existsSync, readFileSync, realpathSync, statSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  ConfigFileError,
  type ConvertedConfig,
  convertConfig,
  GitWorktreeStrategySchema,
  ProjectPrimaryStrategySchema,
  type RealizeWorkspaceRequest,
  type RealizeWorkspaceRequestSchema,
  type ServiceSpec,
  ServiceSpecSchema,
} from "../client/index.ts";
import { ExitError, usageError } from "./exit-error.ts";

export interface UpOptions {
  readonly issue?: string;
  readonly title?: string;
  readonly service?: readonly string[];
}

/** What `up` asks of the server. */
export interface UpPlan {
  readonly runId: string;
  readonly realize: Exclude<
    MessageInitShape<typeof RealizeWorkspaceRequestSchema>,
    RealizeWorkspaceRequest
  >;
  readonly services: readonly ServiceSpec[];
  /** Names of those without a check of their own: `up` looks itself whether something listens. */
  readonly adHoc: ReadonlySet<string>;
  readonly warnings: readonly string[];
}

const CONFIG_FILE = "workspace-runtime.json";

/** @throws ExitError that says what is missing or wrong, before anything was changed. */
export function planUp(repository: string, options: UpOptions): UpPlan {
  const directory = directoryOf(repository);
  const config = readConfig(directory);
  const adHoc = (options.service ?? []).map(parseService);
  const services = adHoc.length > 0 ? adHoc : (config?.services ?? []);
  if (services.length === 0) throw nothingToStart(directory, config);
  if (options.title !== undefined && options.issue === undefined) {
    throw usageError("--title is the title of an issue: give --issue too.");
  }
  const { username } = userInfo();
  return {
    runId: `up-${randomUUID()}`,
    realize: {
      companyId: "local",
      baseCwd: directory,
      agent: { agentId: username, name: username },
      ...(options.issue !== undefined && {
        issue: { issueId: options.issue, identifier: options.issue, title: options.title ?? "" },
      }),
      strategy: strategyOf(directory, options, config),
    },
    services,
    adHoc: new Set(adHoc.map(({ name }) => name)),
    warnings: (config?.warnings ?? []).map(
      ({ path, message }) => `${CONFIG_FILE}: ${path} ${message}`,
    ),
  };
}

/** `name=command`: gets a port in PORT, and ends with the run. */
export function parseService(text: string): ServiceSpec {
  const [, name = "", command = ""] = /^([A-Za-z0-9_.-]+)=(.*\S.*)$/s.exec(text) ?? [];
  if (name === "") {
    throw usageError(`--service ${text} is not NAME=COMMAND, such as web='npm run dev'`);
  }
  return create(ServiceSpecSchema, {
    name,
    process: { case: "command", value: command },
    // A further port, not the main one: what never listens on it is no failure.
    extraPorts: { http: { port: { case: "auto", value: {} }, envKey: "PORT" } },
    expose: { urlTemplate: "http://127.0.0.1:{{ports.http}}/" },
    stopPolicy: { policy: { case: "onRunFinish", value: {} } },
  });
}

function directoryOf(repository: string): string {
  try {
    if (statSync(repository).isDirectory()) return realpathSync(repository);
  } catch {}
  throw usageError(`There is no directory ${repository}.`);
}

function readConfig(directory: string): ConvertedConfig | undefined {
  const file = join(directory, CONFIG_FILE);
  if (!existsSync(file)) return undefined;
  try {
    return convertConfig(JSON.parse(readFileSync(file, "utf8")));
  } catch (error) {
    const problems =
      error instanceof ConfigFileError
        ? error.problems.map(({ path, message }) => `\n  ${path || "it"} ${message}`).join("")
        : ` ${(error as Error).message}`;
    throw new ExitError(`${file} cannot be used:${problems}`);
  }
}

/** A worktree for an issue, the directory itself without one. */
function strategyOf(
  directory: string,
  options: UpOptions,
  config: ConvertedConfig | undefined,
): UpPlan["realize"]["strategy"] & {} {
  if (options.issue === undefined) {
    return { case: "projectPrimary", value: create(ProjectPrimaryStrategySchema) };
  }
  if (!isInRepository(directory)) {
    throw new ExitError(
      `${directory} is in no git repository: --issue needs one for its worktree. Run \`git init\` and commit, or leave --issue out to work in the directory itself.`,
    );
  }
  if (config?.strategy.case === "gitWorktree") return config.strategy;
  return { case: "gitWorktree", value: create(GitWorktreeStrategySchema) };
}

function isInRepository(directory: string): boolean {
  const parent = join(directory, "..");
  return existsSync(join(directory, ".git")) || (parent !== directory && isInRepository(parent));
}

function nothingToStart(directory: string, config: ConvertedConfig | undefined): ExitError {
  const why = config === undefined ? "there is no" : "there are no services in";
  return new ExitError(
    `Nothing to start: ${why} ${join(directory, CONFIG_FILE)}. Write one, or name a command: workspace-runtime up --service web='npm run dev'`,
  );
}
