import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { GitWorktreeStrategy } from "../../src/model/workspace.ts";
import { commitFile, createRepository, git } from "../git/fixture.ts";
import { eventually } from "../support/eventually.ts";
import { issue, startWithRepository, startWorkspaces, worktree } from "./fixture.ts";

describe("provision", () => {
  it("runs in the worktree, told all about it, as an operation", async () => {
    const { realize, repo } = await startWithRepository();
    const { workspace, operations, provisioned } = await realize({
      ...worktree(repo, { provisionCommand: "pwd; env | sort" }),
      issue: issue(1),
      projectId: "p-1",
      projectWorkspaceId: "pw-1",
      repoUrl: "https://example.test/r",
      repoRef: "main",
      source: "TASK_SESSION",
      commandEnv: { FLAVOUR: "salted", PAPERCLIP_AGENT_ID: "not this" },
    });
    expect(provisioned).toBe(true);
    const operation = operations.at(-1);
    expect(operation).toMatchObject({
      phase: "WORKSPACE_PROVISION",
      command: "pwd; env | sort",
      cwd: workspace.cwd,
      message: `Provisioned workspace at ${workspace.cwd}`,
      metadata: {
        repoRoot: repo,
        worktreePath: workspace.cwd,
        branchName: workspace.branchName,
        created: true,
      },
    });
    const lines = (operation?.stdoutExcerpt ?? "").split("\n");
    expect(lines[0]).toBe(workspace.cwd);
    expect(lines).toEqual(
      expect.arrayContaining([
        "LC_ALL=C",
        "GIT_TERMINAL_PROMPT=0",
        "FLAVOUR=salted",
        `PAPERCLIP_WORKSPACE_CWD=${workspace.cwd}`,
        `PAPERCLIP_WORKSPACE_PATH=${workspace.cwd}`,
        `PAPERCLIP_WORKSPACE_WORKTREE_PATH=${workspace.cwd}`,
        `PAPERCLIP_WORKSPACE_BRANCH=${workspace.branchName}`,
        `PAPERCLIP_WORKSPACE_BASE_CWD=${repo}`,
        `PAPERCLIP_WORKSPACE_REPO_ROOT=${repo}`,
        "PAPERCLIP_WORKSPACE_SOURCE=task_session",
        "PAPERCLIP_WORKSPACE_REPO_REF=main",
        "PAPERCLIP_WORKSPACE_REPO_URL=https://example.test/r",
        "PAPERCLIP_WORKSPACE_CREATED=true",
        "PAPERCLIP_PROJECT_ID=p-1",
        "PAPERCLIP_PROJECT_WORKSPACE_ID=pw-1",
        "PAPERCLIP_AGENT_ID=a-1",
        "PAPERCLIP_AGENT_NAME=Ada",
        "PAPERCLIP_COMPANY_ID=c",
        "PAPERCLIP_ISSUE_ID=issue-1",
        "PAPERCLIP_ISSUE_IDENTIFIER=PAP-1",
        "PAPERCLIP_ISSUE_TITLE=Fix the Login Form",
      ]),
    );
    expect(lines.filter((line) => line.startsWith("GIT_"))).toEqual(["GIT_TERMINAL_PROMPT=0"]);
    expect(JSON.stringify(workspace)).not.toContain("salted");
  });

  const ran = async (strategy: GitWorktreeStrategy, between?: (cwd: string) => void) => {
    const { realize, repo, directory } = await startWithRepository();
    const provisionCommand = `echo "$PAPERCLIP_WORKSPACE_CREATED" >>'${join(directory, "ran")}'`;
    const request = { ...worktree(repo, { provisionCommand, ...strategy }), issue: issue(1) };
    const { workspace } = await realize(request);
    await realize(request);
    between?.(workspace.cwd);
    await realize(request);
    return readFileSync(join(directory, "ran"), "utf8").trim().split("\n");
  };

  it("runs on each realize unless told otherwise", async () => {
    expect(await ran({})).toEqual(["true", "false", "false"]);
  });

  it("runs once with ON_CREATE", async () => {
    expect(await ran({ provisionPolicy: "ON_CREATE" })).toEqual(["true"]);
  });

  it("runs when an input changed with ON_INPUT_CHANGE", async () => {
    const strategy = {
      provisionPolicy: "ON_INPUT_CHANGE",
      provisionInputs: ["README.md", "lock"],
    } as const;
    expect(await ran(strategy)).toEqual(["true"]);
    expect(await ran(strategy, (cwd) => writeFileSync(join(cwd, "lock"), "1"))).toEqual([
      "true",
      "false",
    ]);
  });

  it("runs when a file that a glob matches comes, goes or changes", async () => {
    const strategy = {
      provisionPolicy: "ON_INPUT_CHANGE",
      provisionInputs: ["**/*.lock", "app/[id].ts"],
    } as const;
    expect(await ran(strategy)).toEqual(["true"]);
    const twice = ["true", "false"];
    expect(await ran(strategy, (cwd) => writeFileSync(join(cwd, "x.lock"), ""))).toEqual(twice);
    const write = (cwd: string) => {
      mkdirSync(join(cwd, "app"));
      writeFileSync(join(cwd, "app/[id].ts"), "");
    };
    expect(await ran(strategy, write)).toEqual(twice);
  });

  it("that fails leaves the workspace FAILED, and runs again as if created", async () => {
    const { realize, repo, directory, workspaces } = await startWithRepository();
    const [ok, log] = [join(directory, "ok"), join(directory, "ran")];
    const provisionCommand = `echo "$PAPERCLIP_WORKSPACE_CREATED" >>'${log}'; test -e '${ok}' || exit 5`;
    const request = {
      ...worktree(repo, { provisionCommand, provisionPolicy: "ON_CREATE" as const }),
      issue: issue(1),
    };
    const error = await realize(request).catch((e) => e);
    expect(error).toMatchObject({
      reason: "COMMAND_FAILED",
      metadata: { exit_code: "5", operation_id: expect.any(String) },
    });
    const failed = await workspaces.get(error.metadata.workspace_id);
    expect(failed).toMatchObject({
      state: "FAILED",
      stateMessage: expect.stringContaining("exit code 5"),
      provisionPending: true,
      directoryCreated: true,
    });
    writeFileSync(ok, "");
    const again = await realize(request);
    expect(again).toMatchObject({
      created: false,
      provisioned: true,
      previousState: "FAILED",
      workspace: { state: "ACTIVE", provisionPending: false },
    });
    expect(readFileSync(log, "utf8")).toBe("true\ntrue\n");
    expect(await realize(request)).toMatchObject({ provisioned: false });
  });

  it("that takes too long is ended and told", async () => {
    const { realize, repo } = await startWithRepository();
    await expect(
      realize({
        ...worktree(repo, { provisionCommand: "sleep 1000", provisionTimeoutMs: 200 }),
        issue: issue(1),
      }),
    ).rejects.toMatchObject({ reason: "COMMAND_TIMED_OUT" });
  });

  it("that is cancelled fails the realize; the next one provisions anew", async () => {
    const { realize, repo, operations, store, workspaces } = await startWithRepository();
    const provision = (provisionCommand: string) =>
      realize({ ...worktree(repo, { provisionCommand }), issue: issue(1) });
    const failed = provision("sleep 1000").catch((error) => error);
    const { operationId, workspaceId } = await eventually(async () =>
      (await store.operations.listRunning("node-1")).find(
        ({ phase }) => phase === "WORKSPACE_PROVISION",
      ),
    );
    expect(await operations.cancel(operationId)).toMatchObject({ status: "CANCELLED" });
    expect(await failed).toMatchObject({
      reason: "COMMAND_FAILED",
      message: 'Command "sleep 1000" was cancelled',
      metadata: { operation_id: operationId, workspace_id: workspaceId },
    });
    expect(await workspaces.get(workspaceId)).toMatchObject({
      state: "FAILED",
      stateMessage: 'Command "sleep 1000" was cancelled',
      provisionPending: true,
    });
    expect(await provision("true")).toMatchObject({ provisioned: true });
  });
});

describe("copy_files", () => {
  it("copies what git does not bring, over nothing and out of no tree", async () => {
    const { realize, repo, directory } = await startWithRepository();
    writeFileSync(join(directory, "secret"), "secret");
    writeFileSync(join(repo, ".env"), "A=1");
    mkdirSync(join(repo, "app"));
    writeFileSync(join(repo, "app/.env.local"), "B=2");
    writeFileSync(join(repo, "README.md"), "changed");
    symlinkSync(join(directory, "secret"), join(repo, "link"));
    symlinkSync(directory, join(repo, "dir"));
    const { workspace } = await realize({
      ...worktree(repo, {
        copyFiles: [".env", "**/.env.local", "README.md", "link", "dir/secret", "missing"],
      }),
      issue: issue(1),
    });
    const read = (name: string) => readFileSync(join(workspace.cwd, name), "utf8");
    expect(read(".env")).toBe("A=1");
    expect(read("app/.env.local")).toBe("B=2");
    expect(read("README.md")).toBe("hello\n");
    expect(existsSync(join(workspace.cwd, "link"))).toBe(false);
    expect(existsSync(join(workspace.cwd, "dir"))).toBe(false);
    expect(workspace.warnings).toEqual([
      'Skipped copying "link": it leads out of the checkout',
      'Skipped copying "dir/secret": it leads out of the checkout',
    ]);
  });

  it("copies nothing that git tracks, and not again into a worktree that is there", async () => {
    const { realize, repo } = await startWithRepository();
    const base = git(repo, "rev-parse", "HEAD");
    commitFile(repo, "config/tracked.json", "1");
    writeFileSync(join(repo, "config/local.json"), "1");
    const request = {
      ...worktree(repo, { copyFiles: ["config/*.json"], baseRef: base }),
      issue: issue(1),
    };
    const { workspace } = await realize(request);
    expect(readdirSync(join(workspace.cwd, "config"))).toEqual(["local.json"]);
    writeFileSync(join(repo, "config/late.json"), "1");
    await realize(request);
    expect(readdirSync(join(workspace.cwd, "config"))).toEqual(["local.json"]);
  });

  it("copies nothing of a bare repository, and from the worktree that is the base of one", async () => {
    const { realize, directory } = await startWorkspaces();
    createRepository(join(directory, "source"));
    git(directory, "clone", "--quiet", "--bare", "source", "project/.bare");
    git(join(directory, "project/.bare"), "worktree", "add", "--quiet", "../main", "main");
    const main = join(directory, "project/main");
    mkdirSync(join(main, "sub"));
    writeFileSync(join(main, "config"), "mine");
    const strategy = { copyFiles: ["config"] };
    const bare = await realize({
      ...worktree(join(directory, "project/.bare"), strategy),
      issue: issue(1),
    });
    expect(bare.workspace.warnings).toEqual(["Copied no files: the base is no checkout"]);
    expect(existsSync(join(bare.workspace.cwd, "config"))).toBe(false);
    const linked = await realize({ ...worktree(join(main, "sub"), strategy), issue: issue(2) });
    expect(readFileSync(join(linked.workspace.cwd, "config"), "utf8")).toBe("mine");
  });
});
