import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRepository } from "../git/fixture.ts";

/** A primary checkout for the tests of one suite: a repository of one commit. */
export interface TestProject {
  readonly path: string;
  /** With the worktrees below it. */
  remove(): void;
}

export function createProject(): TestProject {
  const path = realpathSync(mkdtempSync(join(tmpdir(), "wsrt-project-")));
  createRepository(path);
  return { path, remove: () => rmSync(path, { recursive: true, force: true, maxRetries: 3 }) };
}
