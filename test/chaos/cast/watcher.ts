import { type DescMessage, equals } from "@bufbuild/protobuf";
import { LeaseSchema } from "../../../gen/workspace/runtime/v1/lease_pb.ts";
import {
  OperationSchema,
  OperationStatus,
} from "../../../gen/workspace/runtime/v1/operation_pb.ts";
import { ProjectWorkspaceSchema } from "../../../gen/workspace/runtime/v1/project_workspace_pb.ts";
import { ServiceSchema } from "../../../gen/workspace/runtime/v1/service_pb.ts";
import { type Change, ChangeType } from "../../../gen/workspace/runtime/v1/watch_pb.ts";
import { WorkspaceSchema, WorkspaceState } from "../../../gen/workspace/runtime/v1/workspace_pb.ts";
import { watchStatus } from "../../../src/client/index.ts";
import { isLiveState, type Observation } from "../../support/invariants.ts";
import type { Role, Stage } from "../stage.ts";

/** Someone who keeps a view of everything by WatchStatus alone. */
export interface Watcher {
  /** Watches until `signal` ends it. */
  run(signal: AbortSignal): Promise<void>;
  /** A sentence for each thing that the view and the lists say differently. */
  differences(seen: Observation): string[];
}

type Resource = Exclude<Change["resource"], { case: undefined }>;

const SCHEMAS = {
  projectWorkspace: ProjectWorkspaceSchema,
  workspace: WorkspaceSchema,
  service: ServiceSchema,
  operation: OperationSchema,
  lease: LeaseSchema,
} as const;

/** `comesBack`: leaves again and again, and goes on from its cursor. */
export function createWatcher(stage: Stage, role: Role, comesBack: boolean): Watcher {
  const view = new Map<string, Resource>();
  const { random, client, name } = role;
  let cursor = "";
  let revision = 0n;

  const take = ({ type, resource, revision: at }: Change, inSnapshot: boolean) => {
    if (resource.case === undefined) throw new Error(`${name}: a change of nothing`);
    if (!inSnapshot && at <= revision) {
      throw new Error(`${name}: revision ${at} of ${keyOf(resource)} after ${revision}`);
    }
    if (!inSnapshot) revision = at;
    if (type === ChangeType.DELETED) view.delete(keyOf(resource));
    else view.set(keyOf(resource), resource);
    stage.figures.add("watch_changes");
  };

  const watch = async (signal: AbortSignal) => {
    let inSnapshot = cursor === "";
    const updates = watchStatus(
      client,
      { cursor, noFold: random.percent(50) },
      { signal, onRetry: () => stage.figures.add("watch_resumes") },
    );
    for await (const update of updates) {
      if (update.reset) {
        view.clear();
        revision = 0n;
        inSnapshot = true;
      }
      for (const change of update.changes) take(change, inSnapshot);
      if (update.snapshotComplete) inSnapshot = false;
      cursor = update.cursor;
    }
  };

  return {
    async run(signal) {
      try {
        while (!signal.aborted) {
          const stay = comesBack ? [AbortSignal.timeout(200 + random.below(4_000))] : [];
          await watch(AbortSignal.any([signal, ...stay]));
        }
      } catch (error) {
        stage.fail(error);
      }
    },
    differences(seen) {
      const listed = resourcesOf(seen);
      const problems: string[] = [];
      for (const [key, resource] of listed) {
        const viewed = view.get(key);
        if (viewed === undefined) {
          if (mustBeSeen(resource)) problems.push(`${name} knows nothing of ${key}`);
        } else if (!isSame(viewed, resource)) {
          problems.push(
            `${name} has ${key} as of revision ${viewed.value.revision}, and it is another by now`,
          );
        }
      }
      for (const key of view.keys()) {
        if (!listed.has(key)) problems.push(`${name} has ${key}, which is not listed`);
      }
      return problems;
    },
  };
}

function resourcesOf(seen: Observation): Map<string, Resource> {
  const all: Resource[] = [
    ...seen.projectWorkspaces.map((value) => ({ case: "projectWorkspace", value }) as const),
    ...seen.workspaces.map((value) => ({ case: "workspace", value }) as const),
    ...seen.services.map((value) => ({ case: "service", value }) as const),
    ...seen.operations.map((value) => ({ case: "operation", value }) as const),
    ...seen.leases.map((value) => ({ case: "lease", value }) as const),
  ];
  return new Map(all.map((resource) => [keyOf(resource), resource]));
}

/** What a snapshot leaves out need not be known. */
function mustBeSeen(resource: Resource): boolean {
  switch (resource.case) {
    case "service":
      return isLiveState(resource.value.state);
    case "workspace":
      return resource.value.state !== WorkspaceState.ARCHIVED;
    case "operation":
      return resource.value.status === OperationStatus.RUNNING;
    default:
      return true;
  }
}

function isSame(one: Resource, other: Resource): boolean {
  const schema: DescMessage = SCHEMAS[one.case];
  return one.case === other.case && equals(schema, one.value, other.value);
}

function keyOf(resource: Resource): string {
  switch (resource.case) {
    case "projectWorkspace":
      return `project workspace ${resource.value.projectWorkspaceId}`;
    case "workspace":
      return `workspace ${resource.value.workspaceId}`;
    case "service":
      return `service ${resource.value.serviceId}`;
    case "operation":
      return `operation ${resource.value.operationId}`;
    case "lease":
      return `lease ${resource.value.leaseId}`;
  }
}
