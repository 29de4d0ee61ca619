import type { WorkspaceRuntime } from "../../gen/workspace/runtime/v1/workspace_runtime_pb.ts";
import type { Clock } from "../clock.ts";
import type { Operations } from "../operations/operations.ts";
import type { ProjectWorkspaces } from "../project-workspaces/project-workspaces.ts";
import type { LogSources } from "../runs/log-source.ts";
import type { Services } from "../services/services.ts";
import type { CollectGarbage } from "../upkeep/collect-garbage.ts";
import type { Workspaces } from "../workspaces/workspaces.ts";
import { createCleanupHandlers } from "./cleanup-handlers.ts";
import { createGarbageHandlers } from "./garbage-handlers.ts";
import type { LogGroups } from "./group-logs.ts";
import type { ServiceHandlers } from "./handler.ts";
import { createInfoHandlers, type RuntimeInfo } from "./info-handlers.ts";
import { createLogHandlers } from "./log-handlers.ts";
import { createOperationHandlers } from "./operation-handlers.ts";
import type { CursorAt } from "./pages.ts";
import { createPrepareHandlers, type Prepare } from "./prepare-handlers.ts";
import { createProjectWorkspaceHandlers } from "./project-workspace-handlers.ts";
import { createReportHandlers } from "./report-handlers.ts";
import { createRunHandlers } from "./run-handlers.ts";
import { createServiceHandlers } from "./service-handlers.ts";
import { createWatchHandlers, type Watch } from "./watch-handlers.ts";
import { createWorkspaceHandlers } from "./workspace-handlers.ts";

/** Every method of the contract. A missing or a misspelled one does not compile. */
export type Handlers = ServiceHandlers<typeof WorkspaceRuntime>;

export interface HandlerDependencies {
  readonly services: Services;
  readonly workspaces: Workspaces;
  readonly projectWorkspaces: ProjectWorkspaces;
  readonly operations: Pick<Operations, "get" | "list" | "cancel">;
  readonly logSources: LogSources;
  readonly logGroups: LogGroups;
  readonly prepare: Prepare;
  readonly watch: Watch;
  /** For the `cursor` of lists: where a watch goes on. */
  readonly cursorAt: CursorAt;
  readonly collectGarbage: CollectGarbage;
  readonly info: () => RuntimeInfo | Promise<RuntimeInfo>;
  readonly clock: Clock;
}

/** Shells: message in, domain call, message out. */
export function createHandlers(dependencies: HandlerDependencies): Handlers {
  const { services, workspaces, projectWorkspaces, operations } = dependencies;
  const { logSources, logGroups, prepare, watch, cursorAt, collectGarbage, info, clock } =
    dependencies;
  return {
    ...createProjectWorkspaceHandlers(projectWorkspaces, cursorAt),
    ...createWorkspaceHandlers(workspaces, cursorAt),
    ...createCleanupHandlers(workspaces, cursorAt),
    ...createRunHandlers(services, cursorAt),
    ...createPrepareHandlers(prepare),
    ...createServiceHandlers(services, cursorAt),
    ...createReportHandlers(services),
    ...createOperationHandlers(operations, cursorAt),
    ...createLogHandlers(logSources, logGroups, clock),
    ...createWatchHandlers(watch),
    ...createGarbageHandlers(collectGarbage),
    ...createInfoHandlers(info),
  };
}
