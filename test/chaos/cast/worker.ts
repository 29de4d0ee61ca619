import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Workspace, WorkspaceState } from "../../../gen/workspace/runtime/v1/workspace_pb.ts";
import { nameOf } from "../../../src/cli/words.ts";
import { prepareRun } from "../../../src/client/index.ts";
import { KINDS, specOf } from "../catalogue.ts";
import { checkEdits } from "../edits.ts";
import type { KnownWorkspace } from "../ledger.ts";
import { git } from "../scene.ts";
import { type Role, remember, type Stage } from "../stage.ts";
import { CROSSED, ensure, release } from "./run.ts";

/**
 * Works on one issue after the other: prepares its worktree for run after run, writes into it, and cleans it up. Nobody
 * else writes into these worktrees, so what must be in them is known to the byte.
 */
export async function* work(stage: Stage, role: Role): AsyncGenerator<void> {
  const { random } = role;
  for (let issue = 1; ; issue += 1) {
    do {
      for (let runs = 1 + random.below(3); runs > 0; runs -= 1) {
        const runId = `${role.name}-${issue}-${runs}-${random.below(1e9)}`;
        const identifier = `${role.name}-${issue}`;
        let workspace: KnownWorkspace;
        if (random.percent(50)) {
          workspace = await prepare(stage, role, identifier, runId);
        } else {
          workspace = await realize(stage, role, identifier, runId);
          yield;
          await ensure(stage, role, runId, workspace.workspaceId, pickKinds(role));
        }
        yield;
        for (let edits = random.below(4); edits > 0; edits -= 1) edit(stage, role, workspace);
        yield;
        if (random.percent(30)) await ensure(stage, role, runId, workspace.workspaceId, ["ticker"]);
        if (random.percent(30)) {
          await role.call(`renew ${runId}`, () => role.client.renewRun({ runId }), [
            "RUN_NOT_FOUND", // Whoever stops by force ends leases.
          ]);
        }
        yield;
        await release(stage, role, runId);
        yield;
        if (runs > 1) continue;
        await cleanUp(stage, role, workspace);
        yield;
        if (random.percent(50)) await restore(stage, role, workspace);
        else break;
        yield;
      }
    } while (random.percent(50) && isIn(stage, `${role.name}-${issue}`));
  }
}

function isIn({ ledger }: Stage, name: string): boolean {
  return [...ledger.workspaces.values()].some(
    ({ branchName, place }) => branchName.startsWith(`${name}-`) && place === "worktree",
  );
}

function pickKinds({ random }: Role) {
  return KINDS.filter(() => random.percent(30));
}

async function realize(
  stage: Stage,
  role: Role,
  identifier: string,
  runId: string,
): Promise<KnownWorkspace> {
  stage.ledger.runs.set(runId, "open");
  const request = realizeRequest(stage, role, identifier, runId);
  const answer = await role.call(`realize ${identifier} for ${runId}`, () =>
    role.client.realizeWorkspace(request),
  );
  return know(stage, identifier, answer?.workspace);
}

/** Both in one call; what others did to its services meanwhile is none of the worktree's. */
async function prepare(
  stage: Stage,
  role: Role,
  identifier: string,
  runId: string,
): Promise<KnownWorkspace> {
  const kinds = pickKinds(role);
  const realizing = realizeRequest(stage, role, identifier, runId);
  const ensuring = { runId, services: kinds.map(specOf) };
  stage.ledger.runs.set(runId, "open");
  const result = await role.call(
    `prepare ${identifier} with ${kinds.join(", ")} for ${runId}`,
    () => prepareRun(role.client, { realize: realizing, ensure: ensuring }),
    CROSSED,
  );
  if (result === undefined) return realize(stage, role, identifier, runId);
  remember(stage, result.ensured?.services ?? []);
  stage.figures.add("prepares");
  return know(stage, identifier, result.realized?.workspace);
}

function realizeRequest(stage: Stage, { random }: Role, identifier: string, runId: string) {
  return {
    companyId: "company",
    projectWorkspaceId: `project-${identifier.charCodeAt(7) % 2}`,
    baseCwd: stage.scene.repository,
    issue: { issueId: identifier, identifier, title: "chaos" },
    agent: { agentId: "agent", name: "Agent" },
    runId,
    strategy: {
      case: "gitWorktree",
      value: { fetchBase: random.percent(20), provisionCommand: "echo provisioned; sleep 0.05" },
    },
  } as const;
}

function know(stage: Stage, identifier: string, workspace: Workspace | undefined): KnownWorkspace {
  if (workspace === undefined) throw new Error(`${identifier}: no workspace in the answer`);
  const { workspaceId, branchName, worktreePath } = workspace;
  const known = stage.ledger.workspaces.get(workspaceId) ?? {
    ...{ workspaceId, branchName, worktreePath },
    edits: new Map(),
    place: "worktree",
  };
  stage.ledger.workspaces.set(workspaceId, known);
  return known;
}

/** A new file, or a line in one that the branch has; now and then committed. */
function edit({ figures, history }: Stage, { name, random }: Role, workspace: KnownWorkspace) {
  const isNew = random.percent(60);
  const path = isNew ? `new-${random.below(1e6)}.txt` : `file-${random.below(20)}.txt`;
  const file = join(workspace.worktreePath, path);
  const content = `${isNew ? "" : readFileSync(file, "utf8")}${random.below(1e9)}\n`;
  history.note(name, `writes ${path} in ${workspace.worktreePath}`);
  writeFileSync(file, content);
  workspace.edits.set(path, createHash("sha256").update(content).digest("hex"));
  figures.add("edits");
  if (!random.percent(25)) return;
  git(workspace.worktreePath, "add", "--", path);
  git(workspace.worktreePath, "commit", "--quiet", "--message", `change ${path}`);
}

async function cleanUp(stage: Stage, { call, client }: Role, workspace: KnownWorkspace) {
  const { workspaceId } = workspace;
  workspace.place = "moving";
  await call(`clean ${workspaceId}`, () => client.cleanupWorkspace({ workspaceId, force: true }));
  const answer = await call(`get ${workspaceId}`, () => client.getWorkspace({ workspaceId }));
  const state = answer?.workspace?.state;
  if (state !== WorkspaceState.ARCHIVED) {
    throw new Error(
      `${workspaceId} was cleaned and is ${nameOf(WorkspaceState, state ?? 0)}: ${answer?.workspace?.stateMessage}`,
    );
  }
  workspace.place = "gone";
  stage.figures.add("cleanups");
  checkEdits(stage, workspace, answer?.workspace?.rescueRef ?? "");
}

async function restore(stage: Stage, { call, client }: Role, workspace: KnownWorkspace) {
  const { workspaceId } = workspace;
  workspace.place = "moving";
  await call(`restore ${workspaceId}`, () => client.restoreWorkspace({ workspaceId }));
  workspace.place = "worktree";
  stage.figures.add("restores");
  checkEdits(stage, workspace, "");
}
