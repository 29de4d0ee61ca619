/** One path of a rescue: how it stood in the worktree. Names are bytes, one character each. */
export interface RescuedPath {
  readonly path: string;
  /** "gone": a tracked file that was not there any more. */
  readonly kind: "file" | "symlink" | "gone";
  /** The permission bits; 0 for what is no file. */
  readonly permissions: number;
  /** The content's blob; "" for what is gone. */
  readonly blob: string;
}

const KINDS = { f: "file", s: "symlink", g: "gone" } as const;

/** `f 644 <blob> <path>` for each path, NUL after each: what restoring does, in bytes. */
export function encodePaths(paths: readonly RescuedPath[]): Buffer {
  const lines = paths.map(
    ({ kind, permissions, blob, path }) =>
      `${kind[0]} ${permissions.toString(8)} ${blob} ${path}\0`,
  );
  return Buffer.from(lines.join(""), "latin1");
}

/** Throws for what no rescue wrote. */
export function decodePaths(content: Buffer): RescuedPath[] {
  const lines = content.toString("latin1").split("\0");
  return lines
    .filter((line) => line !== "")
    .map((line) => {
      const match = /^([fsg]) ([0-7]{1,4}) ([0-9a-f]{40,64}|) ([\s\S]+)$/.exec(line);
      const [, kind = "", permissions = "", blob = "", path = ""] = match ?? [];
      if (match === null || !isInnerPath(path) || (blob === "") !== (kind === "g")) {
        throw new Error("the record of a rescue is damaged");
      }
      return {
        path,
        kind: KINDS[kind as keyof typeof KINDS],
        permissions: Number.parseInt(permissions, 8) & 0o777,
        blob,
      };
    });
}

/** A path that stays in the worktree and out of its `.git`. */
function isInnerPath(path: string): boolean {
  return path.split("/").every((part) => !["", ".", ".."].includes(part)) && !isGitPath(path);
}

function isGitPath(path: string): boolean {
  return path.split("/").some((part) => part.toLowerCase() === ".git");
}

/** What a rescue says of itself, in its commit's message. */
export interface RescueFacts {
  readonly workspaceId: string;
  /** "" for a detached HEAD. */
  readonly branch: string;
  /** "" for a branch without a commit. */
  readonly head: string;
  readonly changedFiles: number;
}

export function rescueMessage({ workspaceId, branch, head, changedFiles }: RescueFacts): string {
  return [
    `Uncommitted work of workspace ${workspaceId}`,
    "",
    "Tree: the files as they stood. Second parent: the index and what restoring needs.",
    "",
    `Rescued-Branch: ${branch}`,
    `Rescued-Head: ${head}`,
    `Rescued-Files: ${changedFiles}`,
    "",
  ].join("\n");
}

export function readRescueMessage(message: string): Omit<RescueFacts, "workspaceId"> {
  const trailer = (name: string) =>
    new RegExp(`^Rescued-${name}: (.*)$`, "m").exec(message)?.[1] ?? "";
  return {
    branch: trailer("Branch"),
    head: trailer("Head"),
    changedFiles: Number(trailer("Files") || 0),
  };
}
