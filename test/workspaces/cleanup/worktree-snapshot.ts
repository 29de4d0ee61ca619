import { execFileSync } from "node:child_process";
import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { gitTestEnvironment } from "../../git/fixture.ts";

/** All that cleanup must not lose: each file as it stands, and what git says of the whole. */
export function snapshot(worktree: string) {
  const ignored = new Set(gitBytes(worktree, "ls-files", "-oi", "--exclude-standard", "-z"));
  const status = gitBytes(
    worktree,
    "status",
    "--porcelain=v2",
    "-z",
    "--branch",
    "--untracked=all",
  );
  const index = gitBytes(worktree, "ls-files", "--stage", "-v", "-z");
  const unchanged = contentsOfUnchanged(worktree, index);
  const files: Record<string, string> = {};
  walk(worktree, "", (path, mode, entry) => {
    if (!ignored.has(path)) files[path] = `${mode} ${unchanged.get(path) ?? entry()}`;
  });
  return { files, status, index };
}

/**
 * By path, of files that git finds unchanged and that no flag hides from it: their bytes are what the next checkout makes
 * of the same content, with other line ends or an expanded `$Id$` where attributes say so.
 */
function contentsOfUnchanged(worktree: string, index: readonly string[]): Map<string, string> {
  const changed = new Set(gitBytes(worktree, "diff-files", "--name-only", "-z"));
  const unchanged = new Map<string, string>();
  for (const line of index) {
    const [, content, path] = /^H \d+ ([0-9a-f]+) 0\t(.*)$/s.exec(line) ?? [];
    if (content !== undefined && path !== undefined && !changed.has(path)) {
      unchanged.set(path, `as in ${content}`);
    }
  }
  return unchanged;
}

/** The output of a git command with `-z`, one character a byte. */
export function gitBytes(cwd: string, ...args: string[]): string[] {
  const output = execFileSync("git", args, { cwd, env: gitTestEnvironment() });
  return output.toString("latin1").split("\0");
}

/** Every file and symlink below, `.git` aside; paths are bytes, one character each. */
function walk(
  root: string,
  below: string,
  tell: (path: string, mode: string, entry: () => string) => void,
): void {
  const at = (path: string) => Buffer.concat([Buffer.from(root), Buffer.from(path, "latin1")]);
  for (const name of readdirSync(at(`/${below}`), { encoding: "buffer" })) {
    const path = below + name.toString("latin1");
    if (path === ".git") continue;
    const file = at(`/${path}`);
    const stats = lstatSync(file);
    if (stats.isDirectory()) walk(root, `${path}/`, tell);
    else if (stats.isSymbolicLink()) tell(path, "link", () => readlinkSync(file));
    else {
      // Of a file that git finds unchanged no more than this is kept anywhere.
      const mode = (stats.mode & 0o100) === 0 ? "plain" : "executable";
      tell(path, mode, () => readFileSync(file).toString("latin1"));
    }
  }
}
