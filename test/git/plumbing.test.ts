import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createPlumbing } from "../../src/git/plumbing.ts";
import {
  commitFile,
  createRepository,
  git,
  gitTestEnvironment,
  temporaryDirectory,
} from "./fixture.ts";

function plumbing(timeoutMs = 30_000) {
  return createPlumbing({ environment: async () => gitTestEnvironment(), timeoutMs });
}

describe("git's plumbing", () => {
  it("takes and gives bytes", async () => {
    const repo = createRepository(join(temporaryDirectory(), "repo"));
    const content = Buffer.from([0, 255, 13, 10, 128]);
    const { read } = plumbing();
    const blob = (
      await read(repo, ["hash-object", "-w", "--stdin"], { input: content })
    ).toString();
    expect(await read(repo, ["cat-file", "blob", blob.trim()])).toEqual(content);
  });

  it("says what git said when it fails, where it could not start, and when it took too long", async () => {
    const repo = createRepository(join(temporaryDirectory(), "repo"));
    await expect(plumbing().read(repo, ["cat-file", "blob", "nothing"])).rejects.toMatchObject({
      reason: "COMMAND_FAILED",
      message: expect.stringContaining("Not a valid object name"),
    });
    await expect(plumbing().read(join(repo, "nowhere"), ["status"])).rejects.toMatchObject({
      reason: "SPAWN_FAILED",
    });
    git(repo, "config", "alias.hang", "!sleep 60 & sleep 60");
    await expect(plumbing(100).read(repo, ["hang"])).rejects.toMatchObject({
      reason: "COMMAND_TIMED_OUT",
    });
  });

  it("ends git when its output is no longer wanted", async () => {
    const repo = createRepository(join(temporaryDirectory(), "repo"));
    git(repo, "config", "alias.endless", "!yes");
    const take = async () => {
      throw new Error("enough");
    };
    await expect(plumbing().stream(repo, ["endless"], take)).rejects.toThrow("enough");
  });

  it("does not take a directory for a part of the repository around it", async () => {
    const repo = createRepository(join(temporaryDirectory(), "repo"));
    commitFile(repo, "a", "1");
    const inner = join(repo, "inner");
    mkdirSync(inner);
    writeFileSync(join(inner, "file"), "");
    await expect(plumbing().read(inner, ["status"])).rejects.toMatchObject({
      reason: "COMMAND_FAILED",
    });
    rmSync(inner, { recursive: true });
  });
});
