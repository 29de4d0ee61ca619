import type { Git } from "../../git/git.ts";
import type { Plumbing } from "../../git/plumbing.ts";
import { countBetween, type Distance } from "../../git/refs.ts";

export interface MergeFacts extends Distance {
  /** The base has the tip, or the same change of the tree. */
  readonly merged: boolean;
}

/** How a tip stands to its base. */
export async function compareWithBase(
  { git, plumbing }: { readonly git: Git; readonly plumbing: Plumbing },
  gitCwd: string,
  tip: string,
  base: string,
): Promise<MergeFacts> {
  const distance = await countBetween(git, gitCwd, tip, base);
  const merged = distance.ahead === 0 || (await hasSameChange(plumbing, gitCwd, tip, base));
  return { ...distance, merged };
}

/**
 * Whether the base has, under other commits, what the tip changed: as files that are now equal, or as
 * commits with the very same patches (a squash, a rebase). To the letter: blanks count.
 */
async function hasSameChange(
  plumbing: Plumbing,
  gitCwd: string,
  tip: string,
  base: string,
): Promise<boolean> {
  const read = async (args: readonly string[], input?: string) =>
    (await plumbing.read(gitCwd, args, input === undefined ? {} : { input })).toString("latin1");
  const fork = (await read(["merge-base", tip, base]).catch(() => "")).trim();
  if (fork === "") return false;
  const changedPaths = async (from: string, to: string) => {
    const names = await read(["diff-tree", "-r", "-z", "--name-only", "--no-renames", from, to]);
    return names.split("\0").filter((name) => name !== "");
  };
  const changed = await changedPaths(fork, tip);
  const different = new Set(await changedPaths(base, tip));
  if (!changed.some((path) => different.has(path))) return true;

  const path = changed.map((name) => Buffer.from(name, "latin1").toString()).find(isText);
  if (path === undefined) return false;
  const only = ["--", `:(literal)${path}`];
  const recent = ["rev-list", "--no-merges", `--max-count=${MOST_COMMITS}`, `${fork}..${base}`];
  const candidates = await read([...recent, ...only]);
  if (candidates === "") return false;
  const patches = new Set((await patchesOf(read, candidates)).values());
  const whole = await read(["diff-tree", ...PATCH, fork, tip]);
  if (patches.has(normalize(whole))) return true;

  const commits = await read(["rev-list", "--parents", `${fork}..${tip}`]);
  const lines = commits.trimEnd().split("\n");
  const isLinear =
    lines.length <= MOST_COMMITS && lines.every((line) => line.split(" ").length === 2);
  if (!isLinear) return false;
  const own = await patchesOf(read, lines.map((line) => `${line.split(" ")[0]}\n`).join(""));
  const all = await read([...recent]);
  const there = new Set((await patchesOf(read, all)).values());
  return [...own.values()].every((patch) => patch === "" || there.has(patch));
}

/** How far back a squash is looked for. */
const MOST_COMMITS = 200;
const PATCH = ["-r", "-p", "--full-index", "--no-renames", "--no-ext-diff", "--no-textconv"];

function isText(path: string): boolean {
  return !path.includes("\u{fffd}");
}

/** By commit. A line of nothing but a hash stands in no patch. */
async function patchesOf(
  read: (args: readonly string[], input?: string) => Promise<string>,
  commits: string,
): Promise<Map<string, string>> {
  const output = await read(["diff-tree", "--stdin", ...PATCH], commits);
  const parts = output.split(/^([0-9a-f]{40}|[0-9a-f]{64})$\n?/m).slice(1);
  const patches = new Map<string, string>();
  for (let at = 0; at < parts.length; at += 2) {
    patches.set(parts[at] ?? "", normalize(parts[at + 1] ?? ""));
  }
  return patches;
}

/** Without what depends on the rest of a file: blob names (where there is text) and positions. */
function normalize(patch: string): string {
  return patch
    .replace(/^index [^\n]*\n(?!Binary files )/gm, "")
    .replace(/^@@ [^\n]*/gm, "@@")
    .trim();
}
