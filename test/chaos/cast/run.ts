import type { Service } from "../../../gen/workspace/runtime/v1/service_pb.ts";
import { type Kind, specOf } from "../catalogue.ts";
import { type Role, remember, type Stage } from "../stage.ts";

/** What may happen to a start while others stop services, clean worktrees and kill. */
export const CROSSED = [
  "SERVICE_STOPPED",
  "SERVICE_EXITED_EARLY",
  "DEPENDENCY_FAILED",
  "WORKSPACE_ARCHIVED",
  "WORKSPACE_LEASED",
  "RUN_RELEASED",
  // In a worktree that is just being restored.
  "SPAWN_FAILED",
];

export async function ensure(
  stage: Stage,
  { call, client }: Role,
  runId: string,
  workspaceId: string,
  kinds: readonly Kind[],
): Promise<readonly Service[]> {
  stage.ledger.runs.set(runId, "open");
  const services = kinds.map(specOf);
  const agent = { agentId: "agent", name: "Agent" };
  const answer = await call(
    `ensure ${kinds.join(", ")} for ${runId} in ${workspaceId}`,
    () => client.ensureServices({ runId, workspaceId, services, agent }),
    CROSSED,
  );
  remember(stage, answer?.services ?? []);
  return answer?.services ?? [];
}

export async function release({ ledger }: Stage, { call, client }: Role, runId: string) {
  await call(`release ${runId}`, () => client.releaseRun({ runId }));
  ledger.runs.set(runId, "released");
}
