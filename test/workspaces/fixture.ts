import { join } from "node:path";
import { createFailpoints } from "../../src/failpoints.ts";
import { createRunCalls } from "../../src/leases/run-calls.ts";
import { createLogger } from "../../src/logger.ts";
import { createWorkspaces, type WorkspaceSettings } from "../../src/workspaces/manager.ts";
import type { RealizeRequest } from "../../src/workspaces/workspaces.ts";
import { createRepository, gitTestEnvironment, temporaryDirectory } from "../git/fixture.ts";
import { startOperations } from "../operations/fixture.ts";

/** Real workspaces over real git and a SQLite store; `directory` is the allowed root. */
export async function startWorkspaces(
  settings: Partial<WorkspaceSettings> = {},
  failpoints = createFailpoints(),
) {
  const runtime = await startOperations(failpoints);
  const { store, clock, operations } = runtime;
  const directory = temporaryDirectory();
  const runs = createRunCalls();
  // What runs in a workspace is tested with the whole server.
  const services = {
    ofWorkspace: () => [],
    stopOfWorkspace: async () => ({ stopped: [], failures: [] }),
  };
  const workspaces = createWorkspaces({
    store,
    clock,
    failpoints,
    operations,
    runs,
    services,
    log: createLogger("silent"),
    baseEnv: async () => gitTestEnvironment(),
    settings: {
      allowRoots: [directory],
      worktreeDir: "",
      envPrefix: "PAPERCLIP_",
      gitTimeoutMs: 60_000,
      repoHooks: true,
      defaultLeaseTtlMs: 86_400_000,
      ...settings,
    },
  });
  const realize = (request: Partial<RealizeRequest>, signal = new AbortController().signal) =>
    workspaces.realize(realizeRequest(request), signal);
  return { ...runtime, workspaces, runs, directory, realize };
}

/** The same with a repository of one commit at `directory`/repo. */
export async function startWithRepository(
  settings: Partial<WorkspaceSettings> = {},
  failpoints = createFailpoints(),
) {
  const runtime = await startWorkspaces(settings, failpoints);
  const repo = createRepository(join(runtime.directory, "repo"));
  return { ...runtime, repo };
}

/** A request of company "c" and agent "Ada"; give what the test is about. */
export function realizeRequest(request: Partial<RealizeRequest>): RealizeRequest {
  return {
    workspaceId: "",
    companyId: "c",
    projectId: "",
    projectWorkspaceId: "",
    name: "",
    baseCwd: "",
    repoUrl: "",
    repoRef: "",
    agent: { agentId: "a-1", name: "Ada" },
    runId: "",
    labels: {},
    commandEnv: {},
    noWait: false,
    ...request,
  };
}

/** The part of a request that asks for a git worktree. */
export function worktree(
  baseCwd: string,
  gitWorktree: Extract<RealizeRequest["strategy"], { kind: "git_worktree" }>["gitWorktree"] = {},
): Pick<RealizeRequest, "baseCwd" | "strategy"> {
  return { baseCwd, strategy: { kind: "git_worktree", gitWorktree } };
}

export function issue(number: number, title = "Fix the Login Form") {
  return { issueId: `issue-${number}`, identifier: `PAP-${number}`, title };
}
