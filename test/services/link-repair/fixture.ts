import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { commitFile, createRepository, git } from "../../git/fixture.ts";

export const GLOBS = 'packages:\n  - "packages/*" # all of them\n  - server\n  - "!packages/old"\n';

/** A pnpm workspace at `directory`/main, and a linked worktree of it at `directory`/tree. */
export function createPnpmWorkspace(directory: string): { main: string; tree: string } {
  const main = createRepository(join(directory, "main"));
  commitFile(main, "pnpm-workspace.yaml", GLOBS);
  commitFile(main, ".gitignore", "node_modules\n");
  commitFile(main, "package.json", JSON.stringify({ name: "shop" }));
  commitFile(main, "packages/db/package.json", JSON.stringify({ name: "@shop/db" }));
  commitFile(main, "packages/old/package.json", JSON.stringify({ name: "@shop/old" }));
  const dependencies = { "@shop/db": "workspace:*", express: "^5.0.0" };
  commitFile(main, "server/package.json", JSON.stringify({ name: "@shop/server", dependencies }));
  commitFile(
    main,
    "packages/ui/package.json",
    JSON.stringify({ name: "ui", devDependencies: { db: "workspace:@shop/db@^1" } }),
  );
  const tree = join(directory, "tree");
  git(main, "worktree", "add", "--quiet", "-b", "work", tree);
  return { main, tree };
}

/** `<owner>/node_modules/<name>` → `target`, relative as pnpm makes it. */
export function linkPackage(owner: string, name: string, target: string): string {
  const path = join(owner, "node_modules", name);
  mkdirSync(dirname(path), { recursive: true });
  symlinkSync(relative(dirname(path), target), path);
  return path;
}

export function writeJson(path: string, value: unknown): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, JSON.stringify(value));
}
