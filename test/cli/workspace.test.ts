import { existsSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { commitFile, createRepository, git, temporaryDirectory } from "../git/fixture.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { runCli } from "./run-cli.ts";

describe("workspaces on the command line", { timeout: 120_000 }, () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer();
  });
  afterAll(() => server.stop());

  const cli = (...args: string[]) => runCli([...args, "--data-dir", server.dataDir]);
  const json = async (...args: string[]) => JSON.parse((await cli(...args, "--json")).stdout);

  async function realize(identifier: string) {
    const repo = createRepository(join(realpathSync(temporaryDirectory()), "repo"));
    const { workspace } = await server.client.realizeWorkspace({
      companyId: "company",
      baseCwd: repo,
      agent: { agentId: "agent", name: "Agent" },
      issue: { issueId: identifier, identifier, title: "Try" },
      runId: `run-${identifier}`,
      strategy: { case: "gitWorktree", value: {} },
    });
    return { repo, cwd: workspace?.cwd ?? "", workspaceId: workspace?.workspaceId ?? "" };
  }

  it("are listed, planned, cleaned and restored, their uncommitted work included", async () => {
    const { cwd, workspaceId } = await realize("A-1");
    writeFileSync(join(cwd, "new"), "1");
    const listed = await cli("workspace", "list");
    expect(listed).toMatchObject({ code: 0, stderr: "" });
    expect(listed.stdout).toMatch(/^NAME +STATE +BRANCH +USED +DIRECTORY +ID\n/);
    expect(listed.stdout).toMatch(new RegExp(`^A-1 Try +active +A-1-try .* ${workspaceId}$`, "m"));

    // A run leases it.
    const plan = await cli("workspace", "clean", "A-1-try", "--dry-run");
    expect(plan.code).toBe(1);
    expect(plan.stdout).toContain("Leased by: run-A-1");
    expect(plan.stderr).toContain("Warning: The workspace has 1 untracked file.");
    const refused = await cli("workspace", "clean", "A-1-try");
    expect(refused).toMatchObject({ code: 1, stdout: "" });
    expect(refused.stderr).toContain("run-A-1");
    await server.client.releaseRun({ runId: "run-A-1" });

    const free = await cli("workspace", "clean", cwd, "--dry-run");
    expect(free.code).toBe(0);
    expect(free.stdout).toMatch(/^1\. .*\n2\. .*git worktree remove/);
    expect(existsSync(cwd)).toBe(true);
    const cleaned = await cli("workspace", "clean", cwd);
    expect(cleaned.code).toBe(0);
    expect(cleaned.stdout).toContain(`Removed git worktree ${cwd}\n`);
    expect(cleaned.stdout).toContain(`workspace restore ${workspaceId}`);
    expect(cleaned.stdout).toMatch(/Cleaned\.\n$/);
    expect(existsSync(cwd)).toBe(false);
    expect((await cli("workspace", "list")).stdout).not.toContain(workspaceId);
    expect((await cli("workspace", "list", "--all")).stdout).toContain(workspaceId);

    const restored = await cli("workspace", "restore", workspaceId);
    expect(restored).toMatchObject({ code: 0, stderr: "" });
    expect(restored.stdout).toMatch(new RegExp(`It is at ${cwd}\n$`));
    expect(readFileSync(join(cwd, "new"), "utf8")).toBe("1");
  });

  it("keep uncommitted work, or refuse, or discard it", async () => {
    const { cwd, workspaceId } = await realize("B-1");
    await server.client.releaseRun({ runId: "run-B-1" });
    writeFileSync(join(cwd, "new"), "1");
    const refused = await cli("workspace", "clean", workspaceId, "--on-dirty", "refuse");
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain("1 untracked");
    expect(await cli("workspace", "clean", workspaceId, "--on-dirty", "shrug")).toMatchObject({
      code: 2,
    });
    const discarded = await json("workspace", "clean", workspaceId, "--on-dirty", "discard");
    expect(discarded).toMatchObject({ cleaned: true, cleanedPath: cwd });
    expect((await json("rescue", "list", "--workspace", workspaceId)).rescues).toEqual([]);
  });

  it("have rescues that are listed, restored and deleted", async () => {
    const { repo, cwd, workspaceId } = await realize("C-1");
    await server.client.releaseRun({ runId: "run-C-1" });
    commitFile(cwd, "own", "1");
    writeFileSync(join(cwd, "own"), "2");
    expect(await cli("workspace", "clean", workspaceId)).toMatchObject({ code: 0 });
    const { rescues } = await json("rescue", "list", "--workspace", workspaceId);
    const [{ ref, commit }] = rescues;
    const table = await cli("rescue", "list");
    expect(table.stdout).toMatch(/^SAVED +BRANCH +FILES +REPOSITORY +REF\n/);
    expect(table.stdout).toMatch(new RegExp(` C-1-try .* ${ref}$`, "m"));

    const restored = await json("rescue", "restore", ref);
    expect(restored.workspace).toMatchObject({ workspaceId, state: "WORKSPACE_STATE_ACTIVE" });
    expect(readFileSync(join(cwd, "own"), "utf8")).toBe("2");
    const deleted = await cli("rescue", "delete", ref);
    expect(deleted).toMatchObject({ code: 0, stderr: "" });
    expect(deleted.stdout).toContain(commit);
    expect(git(repo, "for-each-ref", "refs/workspace-runtime")).toBe("");
    expect(await cli("rescue", "delete", ref)).toMatchObject({ code: 1 });
  });

  it("are asked for in ways that can be told", async () => {
    const unknown = await cli("workspace", "clean", "no such");
    expect(unknown.code).toBe(1);
    expect(unknown.stderr).toContain('There is no workspace "no such"');
    for (const args of [["workspace"], ["workspace", "burn"], ["rescue", "restore"]]) {
      expect(await runCli(args)).toMatchObject({ code: 2, stdout: "" });
    }
  });
});
