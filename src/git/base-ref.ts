import { RuntimeError } from "../errors.ts";
import type { Git } from "./git.ts";
import { resolveCommits } from "./refs.ts";

/** Where new work starts. */
export interface Base {
  /** `origin/main`, `HEAD`, a tag, a commit: as resolved, fit for git's command line. */
  readonly ref: string;
  readonly commit: string;
}

/**
 * Resolves what was asked for; "" detects origin's default branch, else `origin/main`, else
 * `origin/master`, else `HEAD`. A branch that origin has is origin's, so that a stale local one is
 * never used in silence. Throws BASE_REF_NOT_FOUND.
 */
export async function resolveBase(git: Git, gitCwd: string, asked: string): Promise<Base> {
  const detected = asked === "" ? await detectBase(git, gitCwd) : undefined;
  if (detected !== undefined) return detected;
  const candidates = asked === "" ? [{ ref: "HEAD", full: "HEAD" }] : spellings(asked);
  const commits = await resolveCommits(
    git,
    gitCwd,
    candidates.map((candidate) => candidate.full),
  );
  for (const { ref, full } of candidates) {
    const commit = commits.get(full);
    if (commit !== undefined) return { ref, commit };
  }
  const message =
    asked === ""
      ? "the repository has no commit to start from"
      : `base ref "${asked}" does not name a commit`;
  throw new RuntimeError("BASE_REF_NOT_FOUND", message, { metadata: { ref: asked || "HEAD" } });
}

interface Candidate {
  /** How it is told and given to git. */
  readonly ref: string;
  /** How it is looked up, where no tag of that name can step in. */
  readonly full: string;
}

/** The branch of origin that a base may stand for: what `fetch_base` brings up to date. */
export function originBranch(asked: string): string {
  return asked.replace(/^(refs\/remotes\/origin\/|refs\/heads\/|origin\/)/, "");
}

/** Origin's default branch, else its `main`, else its `master`: one question to git. */
async function detectBase(git: Git, gitCwd: string): Promise<Base | undefined> {
  const answer = await git.inspect(gitCwd, [
    "for-each-ref",
    "--format=%(refname)%00%(objectname)%00%(symref)",
    ...["HEAD", "main", "master"].map((name) => `refs/remotes/origin/${name}`),
  ]);
  const refs = new Map(
    answer.stdout.split("\n").map((line): [string, { commit: string; target: string }] => {
      const [name = "", commit = "", target = ""] = line.split("\0");
      return [name, { commit, target }];
    }),
  );
  const head = refs.get("refs/remotes/origin/HEAD")?.target;
  for (const name of [head, "refs/remotes/origin/main", "refs/remotes/origin/master"]) {
    // What HEAD points to is listed only if it is one of the other two: its commit is HEAD's own.
    const found = refs.get(name === head ? "refs/remotes/origin/HEAD" : (name ?? ""));
    if (name && found?.commit)
      return { ref: name.replace(/^refs\/remotes\//, ""), commit: found.commit };
  }
  return undefined;
}

function spellings(asked: string): Candidate[] {
  // Nothing that starts with a dash is a ref; later it would stand on a command line.
  if (asked.startsWith("-")) return [];
  const asIs = { ref: asked, full: asked };
  if (asked === "HEAD" || asked === "@") return [asIs];
  return [remoteBranch(asked.replace(/^refs\/heads\//, "")), asIs];
}

function remoteBranch(branch: string): Candidate {
  return { ref: `origin/${branch}`, full: `refs/remotes/origin/${branch}` };
}
