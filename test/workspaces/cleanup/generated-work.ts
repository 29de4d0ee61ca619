import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import fc from "fast-check";
import { gitTestEnvironment } from "../../git/fixture.ts";

/** One thing that somebody does in a worktree. Paths are bytes, one character each. */
export type Step =
  | { readonly do: "write"; readonly path: string; readonly content: string; readonly mode: number }
  | { readonly do: "link"; readonly path: string; readonly target: string }
  | {
      readonly do: "remove" | "stage" | "unstage" | "intend" | "assume" | "skip";
      readonly path: string;
    }
  | { readonly do: "ignore"; readonly path: string; readonly pattern: string }
  | { readonly do: "attributes"; readonly rule: string }
  | { readonly do: "commit" | "stage-all" };

/** Few enough that they meet: files where directories were, and the other way round. */
const paths = fc.constantFrom(
  ...["a", "b.txt", "c.bin", "a/inner", "dir/one", "dir/two.txt", "dir/deep/three", "dir"],
  ...["with blank", 'quote" and \\', "new\nline", "-dash", ":colon", "\xe4\xe9 not utf8"],
  ...["caf\xc3\xa9.txt", "dir/.hidden", "build/out", "dir/build/out"],
);

const contents = fc.oneof(
  fc.constantFrom("", "one\n", "one\ntwo\n", "no newline", "crlf\r\nlines\r\n", "$Id$\n"),
  fc.string({ unit: fc.nat(255).map((code) => String.fromCharCode(code)), maxLength: 40 }),
);

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("write" as const),
      path: paths,
      content: contents,
      mode: fc.constantFrom(0o644, 0o755, 0o600),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("link" as const),
      path: paths,
      target: fc.constantFrom("a", "../outside", "/nonexistent", "dir", "."),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constantFrom(
        "remove",
        "remove",
        "stage",
        "stage",
        "unstage",
        "intend",
        "assume",
        "skip",
      ),
      path: paths,
    }),
  },
  fc.record({
    do: fc.constant("ignore" as const),
    path: fc.constantFrom(".gitignore", "dir/.gitignore"),
    pattern: fc.constantFrom("build/", "*.bin", "!c.bin", "/one", "*"),
  }),
  fc.record({
    do: fc.constant("attributes" as const),
    rule: fc.constantFrom("* text=auto", "*.txt eol=crlf", "*.txt text", "* ident", "*.bin -text"),
  }),
  fc.record({ do: fc.constantFrom("commit" as const, "stage-all" as const) }),
);

export const generatedWork = fc.record({
  history: fc.array(step, { maxLength: 8 }),
  work: fc.array(step, { minLength: 1, maxLength: 14 }),
  /** A merge that was begun and met a conflict. */
  conflict: fc.integer({ min: 0, max: 4 }).map((number) => number === 0),
  detached: fc.integer({ min: 0, max: 4 }).map((number) => number === 0),
});

/** What cannot be done where it is tried is left out. */
export function carryOut(worktree: string, steps: readonly Step[]): void {
  for (const one of steps) {
    try {
      perform(worktree, one);
    } catch {
      // A file where a directory would have to be, nothing to commit.
    }
  }
}

function perform(worktree: string, one: Step): void {
  const at = (path: string) => Buffer.from(`${worktree}/${path}`, "latin1");
  switch (one.do) {
    case "write":
      mkdirSync(at(dirname(one.path)), { recursive: true });
      writeFileSync(at(one.path), Buffer.from(one.content, "latin1"));
      chmodSync(at(one.path), one.mode);
      return;
    case "link":
      mkdirSync(at(dirname(one.path)), { recursive: true });
      symlinkSync(one.target, at(one.path));
      return;
    case "remove":
      rmSync(at(one.path), { recursive: true });
      return;
    case "ignore":
      writeFileSync(at(one.path), `${one.pattern}\n`, { flag: "a" });
      return;
    case "attributes":
      writeFileSync(at(".gitattributes"), `${one.rule}\n`, { flag: "a" });
      return;
    case "commit":
      run(worktree, "", "commit", "--quiet", "--message", "work");
      return;
    case "stage-all":
      run(worktree, "", "add", "--all");
      return;
    default:
      run(worktree, one.path, ...INDEX_STEPS[one.do]);
  }
}

const FROM_INPUT = ["--pathspec-from-file=-", "--pathspec-file-nul"];
const INDEX_STEPS = {
  stage: ["--literal-pathspecs", "add", ...FROM_INPUT],
  unstage: ["--literal-pathspecs", "reset", "--quiet", ...FROM_INPUT],
  intend: ["--literal-pathspecs", "add", "--intent-to-add", ...FROM_INPUT],
  assume: ["update-index", "--assume-unchanged", "-z", "--stdin"],
  skip: ["update-index", "--skip-worktree", "-z", "--stdin"],
};

function run(worktree: string, path: string, ...args: string[]): void {
  execFileSync("git", args, {
    cwd: worktree,
    env: gitTestEnvironment(),
    input: Buffer.from(path === "" ? "" : `${path}\0`, "latin1"),
    stdio: ["pipe", "pipe", "pipe"],
  });
}
