import { existsSync, lstatSync, mkdirSync, symlinkSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { endings } from "../workspaces/cleanup/fixture.ts";
import { startWithRepository } from "../workspaces/fixture.ts";

const signal = new AbortController().signal;

/** Paths that somebody imports as made for a workspace, below a directory of the test or anywhere. */
async function start() {
  const runtime = await startWithRepository({ allowRoots: ["/"] });
  const { directory, repo, workspaces } = runtime;
  const plain = join(directory, "plain");
  mkdirSync(plain);
  symlinkSync(repo, join(directory, "to-repo"));
  symlinkSync(plain, join(directory, "to-plain"));
  let count = 0;
  const claim = async (cwd: string, directoryCreated: boolean, dryRun: boolean) => {
    count += 1;
    const { workspaceId, ...facts } = await workspaces.import(
      {
        workspace: {
          workspaceId: `w-${count}`,
          companyId: "c",
          projectId: "",
          projectWorkspaceId: "",
          name: "",
          baseCwd: repo,
          cwd,
          worktreePath: "",
          branchName: "",
          repoUrl: "",
          repoRef: "",
          baseRef: "",
          directoryCreated,
          branchCreated: false,
          serviceStates: {},
          labels: {},
        },
        dryRun,
      },
      signal,
    );
    const { directoryCreated: believed, warnings } = facts;
    return { workspaceId, believed, warned: warnings.length > 0 };
  };
  const importAndClean = async (cwd: string, directoryCreated: boolean) => {
    const { workspaceId, ...facts } = await claim(cwd, directoryCreated, false);
    const { cleanedPath } = await endings(workspaces, workspaceId).cleanup({ onDirty: "REFUSE" });
    return { ...facts, cleanedPath };
  };
  return { ...runtime, plain, claim, importAndClean };
}

describe("hazard 32: directories that are not a workspace's to remove", () => {
  it("are refused, whoever says that they were made for one", async () => {
    const { importAndClean, directory, repo, plain } = await start();
    mkdirSync(join(repo, "part"));
    const places = [
      repo,
      join(repo, "part"),
      join(repo, ".git"),
      dirname(repo),
      join(directory, "to-repo"),
      join(directory, "to-plain"),
    ];
    for (const cwd of places) {
      expect(await importAndClean(cwd, true), cwd).toEqual({
        believed: false,
        warned: true,
        cleanedPath: "",
      });
      expect(existsSync(cwd), cwd).toBe(true);
    }
    expect(lstatSync(join(directory, "to-plain")).isSymbolicLink()).toBe(true);
    expect(existsSync(plain) && existsSync(join(repo, "README.md"))).toBe(true);
  });

  it("are not believed to be the home directory or the root of all; nothing is tried on these", async () => {
    const { claim } = await start();
    for (const cwd of [homedir(), "/"]) {
      expect(await claim(cwd, true, true), cwd).toMatchObject({ believed: false, warned: true });
    }
  });

  it("stay where nobody said that; a plain directory of its own goes", async () => {
    const { importAndClean, plain } = await start();
    expect(await importAndClean(plain, false)).toMatchObject({ believed: false, cleanedPath: "" });
    expect(existsSync(plain)).toBe(true);
    expect(await importAndClean(plain, true)).toEqual({
      believed: true,
      warned: false,
      cleanedPath: plain,
    });
    expect(existsSync(plain)).toBe(false);
  });
});
