import type { DesiredState, RuntimeConfig } from "./workspace.ts";

/** A project's primary checkout. All times are epoch ms. */
export interface ProjectWorkspace {
  readonly projectWorkspaceId: string;
  readonly companyId: string;
  readonly projectId: string;
  readonly name: string;
  readonly cwd: string;
  readonly repoUrl: string;
  readonly repoRef: string;
  readonly cleanupCommand: string;
  readonly runtimeConfig?: RuntimeConfig;
  readonly desiredState?: DesiredState;
  readonly serviceStates: Readonly<Record<string, DesiredState>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly createTime: number;
  readonly updateTime: number;
  readonly revision: number;
}
