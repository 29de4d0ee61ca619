import type { LeaseClaim } from "../../src/store/leases.ts";
import type { NewOperation } from "../../src/store/operations.ts";
import type { NewProjectWorkspace } from "../../src/store/project-workspaces.ts";
import type { NewService, ServiceFilter } from "../../src/store/services.ts";
import type { NewWorkspace } from "../../src/store/workspaces.ts";

export function newProjectWorkspace(over: Partial<NewProjectWorkspace> = {}): NewProjectWorkspace {
  return {
    projectWorkspaceId: "pw1",
    companyId: "c1",
    projectId: "p1",
    name: "main",
    cwd: "/x/project",
    repoUrl: "",
    repoRef: "main",
    cleanupCommand: "",
    serviceStates: {},
    labels: {},
    ...over,
  };
}

export function newWorkspace(over: Partial<NewWorkspace> = {}): NewWorkspace {
  return {
    workspaceId: "w1",
    companyId: "c1",
    projectId: "p1",
    projectWorkspaceId: "pw1",
    name: "work",
    source: "TASK_SESSION",
    strategy: "GIT_WORKTREE",
    state: "ACTIVE",
    stateMessage: "",
    baseCwd: "/x/project",
    cwd: "/x/tree",
    repoRoot: "/x/project",
    gitCommonDir: "/x/project/.git",
    worktreePath: "/x/tree",
    branchName: `branch-of-${over.workspaceId ?? "w1"}`,
    repoUrl: "",
    repoRef: "",
    baseRef: "origin/main",
    baseCommit: "abc",
    directoryCreated: true,
    branchCreated: false,
    warnings: [],
    serviceStates: {},
    labels: {},
    rescueRef: "",
    provisionPending: false,
    provisionFingerprint: "",
    ...over,
  };
}

export function newService(over: Partial<NewService> = {}): NewService {
  return {
    serviceId: "s1",
    companyId: "c1",
    projectId: "p1",
    projectWorkspaceId: "pw1",
    workspaceId: "w1",
    issueId: "i1",
    serviceName: "web",
    state: "RUNNING",
    health: "HEALTHY",
    stateMessage: "",
    lifecycle: "SHARED",
    scopeType: "PROJECT_WORKSPACE",
    scopeId: "pw1",
    reuseKey: `key-of-${over.serviceId ?? "s1"}`,
    command: "pnpm dev",
    cwd: "/x/tree",
    ports: {},
    url: "",
    provider: "LOCAL_PROCESS",
    providerRef: "",
    ownerAgentId: "",
    startedByRunId: "",
    stopPolicy: { kind: "manual" },
    instance: 1,
    restartCount: 0,
    spec: { name: "web" },
    ...over,
  };
}

export function newOperation(over: Partial<NewOperation> = {}): NewOperation {
  return {
    operationId: "o1",
    companyId: "c1",
    workspaceId: "w1",
    projectWorkspaceId: "pw1",
    serviceIds: [],
    issueId: "i1",
    phase: "WORKSPACE_PROVISION",
    command: "pnpm install",
    message: "",
    cwd: "/x/tree",
    status: "RUNNING",
    metadata: {},
    stdoutExcerpt: "",
    stderrExcerpt: "",
    stdoutBytes: 0,
    stderrBytes: 0,
    startTime: 1,
    ...over,
  };
}

export function newClaim(over: Partial<LeaseClaim> = {}): LeaseClaim {
  return {
    companyId: "c1",
    runId: "r1",
    workspaceId: "w1",
    serviceId: "",
    mode: "SHARED",
    ttlMs: 60_000,
    ...over,
  };
}

export function serviceFilter(over: Partial<ServiceFilter> = {}): ServiceFilter {
  return {
    companyId: "",
    projectId: "",
    projectWorkspaceIds: [],
    workspaceIds: [],
    issueIds: [],
    runIds: [],
    serviceNames: [],
    scopeTypes: [],
    providers: [],
    states: [],
    current: false,
    ...over,
  };
}
