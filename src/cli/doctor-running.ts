import { join } from "node:path";
import {
  type ListOperationsResponse,
  OperationStatus,
  Provider,
  type RuntimeClient,
  ServiceState,
  StateReason,
  WorkspaceState,
  WorkspaceStrategy,
} from "../client/index.ts";
import type { Git } from "../git/git.ts";
import { createInspection } from "../supervisor/inspection.ts";
import { examineProcesses } from "../upkeep/doctor/examine-processes.ts";
import { examineWorktrees } from "../upkeep/doctor/examine-worktrees.ts";
import type { Finding } from "../upkeep/doctor/finding.ts";
import type { Rows } from "../upkeep/doctor/rows.ts";
import { LIVE_STATES, listServices } from "./find-service.ts";
import { listWorkspaces } from "./find-workspace.ts";

/** Looks at an installation through its running server, which alone may change what is stored. */
export async function examineRunning(
  client: RuntimeClient,
  { dataDir, installationId, git }: RunningInstallation,
): Promise<Finding[]> {
  const inspection = createInspection(installationId);
  const marked = await inspection.marked();
  const rows = await readRows(client, installationId);
  const processes = await examineProcesses(rows, {
    inspection,
    servicesDirectory: join(dataDir, "services"),
    serverRuns: true,
    marked,
    async stopStray(serviceId) {
      await client.stopServices({ target: { case: "serviceId", value: serviceId }, force: true });
    },
    async removeOrphans() {
      await client.collectGarbage({});
    },
  });
  return [...processes, ...(await examineWorktrees(git, rows.worktrees))];
}

export interface RunningInstallation {
  readonly dataDir: string;
  readonly installationId: string;
  readonly git: Git;
}

async function readRows(client: RuntimeClient, nodeId: string): Promise<Rows> {
  const [services, workspaces, operationIds] = await Promise.all([
    listServices(client, { providers: [Provider.LOCAL_PROCESS] }),
    listWorkspaces(client, {}),
    runningOperations(client),
  ]);
  return {
    services: services
      .filter((service) => service.nodeId === nodeId)
      .map((service) => ({
        serviceId: service.serviceId,
        name: service.serviceName,
        isLive: LIVE_STATES.includes(service.state),
        isRunning: service.state === ServiceState.RUNNING,
        isStray: service.stateReason === StateReason.STRAY,
        instance: service.instance,
        pid: service.providerRef,
      })),
    operationIds,
    worktrees: workspaces
      .filter(({ state }) => !WITHOUT_WORKTREE.includes(state))
      .filter(({ strategy }) => strategy === WorkspaceStrategy.GIT_WORKTREE)
      .map(({ workspaceId, worktreePath, repoRoot, branchName }) => ({
        workspaceId,
        path: worktreePath,
        repoRoot,
        branchName,
      })),
  };
}

const WITHOUT_WORKTREE: readonly WorkspaceState[] = [
  WorkspaceState.PROVISIONING,
  WorkspaceState.ARCHIVED,
];

async function runningOperations(client: RuntimeClient): Promise<string[]> {
  const ids: string[] = [];
  let pageToken = "";
  do {
    const page: ListOperationsResponse = await client.listOperations({
      statuses: [OperationStatus.RUNNING],
      pageSize: 500,
      pageToken,
    });
    ids.push(...page.operations.map(({ operationId }) => operationId));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return ids;
}
