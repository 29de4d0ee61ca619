import { create, type MessageShape } from "@bufbuild/protobuf";
import { DesiredState } from "../../../gen/workspace/runtime/v1/service_pb.ts";
import {
  GitWorktreeStrategySchema,
  ProvisionPolicy,
  WorkspaceSchema,
  WorkspaceSource,
  WorkspaceState,
  WorkspaceStrategy,
} from "../../../gen/workspace/runtime/v1/workspace_pb.ts";
import type {
  DesiredState as DesiredStateName,
  GitWorktreeStrategy,
  Workspace,
} from "../../model/workspace.ts";
import { agentToMessage, issueToMessage } from "./actor.ts";
import { enumListReader, enumReader } from "./enums.ts";
import { listOrAbsent, orAbsent, present } from "./present.ts";
import { runtimeConfigToMessage } from "./service-spec.ts";
import { durationFromMs, msFromDuration, timestampOrAbsent } from "./time.ts";

export const workspaceStrategyFromValue = enumReader(WorkspaceStrategy);
export const workspaceSourceFromValue = enumReader(WorkspaceSource);
export const workspaceStateFromValue = enumReader(WorkspaceState);
export const workspaceStatesFromValues = enumListReader(WorkspaceState);
export const provisionPolicyFromValue = enumReader(ProvisionPolicy);
export const desiredStateFromValue = enumReader(DesiredState);

/** `created` stands only in the answer to the call that made the directory. */
export function workspaceToMessage(
  workspace: Workspace,
  created = false,
): MessageShape<typeof WorkspaceSchema> {
  return create(WorkspaceSchema, {
    workspaceId: workspace.workspaceId,
    companyId: workspace.companyId,
    projectId: workspace.projectId,
    projectWorkspaceId: workspace.projectWorkspaceId,
    name: workspace.name,
    issue: workspace.issue && issueToMessage(workspace.issue),
    agent: workspace.agent && agentToMessage(workspace.agent),
    source: WorkspaceSource[workspace.source],
    strategy: WorkspaceStrategy[workspace.strategy],
    state: WorkspaceState[workspace.state],
    stateMessage: workspace.stateMessage,
    baseCwd: workspace.baseCwd,
    cwd: workspace.cwd,
    repoRoot: workspace.repoRoot,
    worktreePath: workspace.worktreePath,
    branchName: workspace.branchName,
    repoUrl: workspace.repoUrl,
    repoRef: workspace.repoRef,
    baseRef: workspace.baseRef,
    baseCommit: workspace.baseCommit,
    created,
    directoryCreated: workspace.directoryCreated,
    branchCreated: workspace.branchCreated,
    warnings: [...workspace.warnings],
    gitWorktree: workspace.gitWorktree && gitWorktreeToMessage(workspace.gitWorktree),
    runtimeConfig: workspace.runtimeConfig && runtimeConfigToMessage(workspace.runtimeConfig),
    desiredState: DesiredState[workspace.desiredState ?? "UNSPECIFIED"],
    serviceStates: desiredStatesToMessage(workspace.serviceStates),
    labels: { ...workspace.labels },
    rescueRef: workspace.rescueRef,
    createTime: timestampOrAbsent(workspace.createTime),
    updateTime: timestampOrAbsent(workspace.updateTime),
    lastUsedTime: timestampOrAbsent(workspace.lastUsedTime),
    cleanupTime: timestampOrAbsent(workspace.cleanupTime),
    revision: BigInt(workspace.revision),
  });
}

export function gitWorktreeFromMessage(
  message: MessageShape<typeof GitWorktreeStrategySchema>,
): GitWorktreeStrategy {
  return present({
    branchTemplate: orAbsent(message.branchTemplate),
    worktreeParentDir: orAbsent(message.worktreeParentDir),
    baseRef: orAbsent(message.baseRef),
    fetchBase: orAbsent(message.fetchBase),
    provisionCommand: orAbsent(message.provisionCommand),
    provisionPolicy: provisionPolicyFromValue(message.provisionPolicy),
    provisionInputs: listOrAbsent(message.provisionInputs),
    provisionTimeoutMs: message.provisionTimeout && msFromDuration(message.provisionTimeout),
    cleanupCommand: orAbsent(message.cleanupCommand),
    teardownCommand: orAbsent(message.teardownCommand),
    copyFiles: listOrAbsent(message.copyFiles),
  });
}

export function gitWorktreeToMessage(
  strategy: GitWorktreeStrategy,
): MessageShape<typeof GitWorktreeStrategySchema> {
  return create(GitWorktreeStrategySchema, {
    branchTemplate: strategy.branchTemplate ?? "",
    worktreeParentDir: strategy.worktreeParentDir ?? "",
    baseRef: strategy.baseRef ?? "",
    fetchBase: strategy.fetchBase ?? false,
    provisionCommand: strategy.provisionCommand ?? "",
    provisionPolicy: ProvisionPolicy[strategy.provisionPolicy ?? "UNSPECIFIED"],
    provisionInputs: [...(strategy.provisionInputs ?? [])],
    provisionTimeout:
      strategy.provisionTimeoutMs === undefined
        ? undefined
        : durationFromMs(strategy.provisionTimeoutMs),
    cleanupCommand: strategy.cleanupCommand ?? "",
    teardownCommand: strategy.teardownCommand ?? "",
    copyFiles: [...(strategy.copyFiles ?? [])],
  });
}

/** A name without a state says nothing, and is left out. */
export function desiredStatesFromMessage(
  states: Readonly<Record<string, DesiredState>>,
): Record<string, DesiredStateName> {
  const read = Object.entries(states).map(([name, state]) => [name, desiredStateFromValue(state)]);
  return Object.fromEntries(read.filter(([, state]) => state !== undefined));
}

/** The states that a person set for single services, by name. */
export function desiredStatesToMessage(
  states: Readonly<Record<string, DesiredStateName>>,
): Record<string, DesiredState> {
  return Object.fromEntries(
    Object.entries(states).map(([name, state]) => [name, DesiredState[state]]),
  );
}
