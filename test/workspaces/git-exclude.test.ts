import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { excludeFromStatus } from "../../src/workspaces/git-exclude.ts";
import { createRepository, temporaryDirectory } from "../git/fixture.ts";

describe("excludeFromStatus", () => {
  it("adds one line once, after what stands there", async () => {
    const { repository, file } = setUp();
    writeFileSync(file, "*.tmp");
    await excludeFromStatus(repository, join(repository.root, "trees/of all"));
    await excludeFromStatus(repository, join(repository.root, "trees/of all"));
    expect(readFileSync(file, "utf8")).toBe("*.tmp\n/trees/of all/\n");
  });

  it("makes the file where there is none", async () => {
    const { repository, file } = setUp();
    rmSync(join(repository.commonDir, "info"), { recursive: true, force: true });
    await excludeFromStatus(repository, join(repository.root, "trees"));
    expect(readFileSync(file, "utf8")).toBe("/trees/\n");
  });

  it("has nothing to say of a directory elsewhere, or of the checkout itself", async () => {
    const { repository, file } = setUp();
    writeFileSync(file, "");
    await excludeFromStatus(repository, `${repository.root}-trees`);
    await excludeFromStatus(repository, repository.root);
    expect(readFileSync(file, "utf8")).toBe("");
  });
});

function setUp() {
  const root = createRepository(temporaryDirectory());
  const commonDir = join(root, ".git");
  return {
    repository: { root, commonDir, gitCwd: root },
    file: join(commonDir, "info", "exclude"),
  };
}
