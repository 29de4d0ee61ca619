import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { glob, realpath } from "node:fs/promises";
import { basename, join } from "node:path";
import { pipeline } from "node:stream/promises";
import type { GitWorktreeStrategy } from "../model/workspace.ts";
import { isInside } from "./allowed-roots.ts";

export interface ProvisionQuestion {
  readonly strategy: GitWorktreeStrategy;
  readonly worktreePath: string;
  /** The directory is new, or its last provision did not succeed. */
  readonly isFresh: boolean;
  /** "" when none is known. */
  readonly lastFingerprint: string;
}

export interface ProvisionDecision {
  readonly isDue: boolean;
  /** To be stored once it succeeded; "" where the policy needs none. */
  readonly fingerprint: string;
}

/** Whether the provision command runs now. */
export async function decideProvision(question: ProvisionQuestion): Promise<ProvisionDecision> {
  const { strategy, worktreePath, isFresh, lastFingerprint } = question;
  const { provisionCommand = "", provisionPolicy = "ALWAYS", provisionInputs = [] } = strategy;
  if (provisionCommand === "") return { isDue: false, fingerprint: "" };
  if (provisionPolicy === "ALWAYS") return { isDue: true, fingerprint: "" };
  if (provisionPolicy === "ON_CREATE") return { isDue: isFresh, fingerprint: "" };
  const fingerprint = await provisionFingerprint(provisionCommand, provisionInputs, worktreePath);
  return { isDue: isFresh || fingerprint !== lastFingerprint, fingerprint };
}

/**
 * Changes with the command, and with the name and content of each file that an input names or
 * matches; one that is missing counts as such.
 */
export async function provisionFingerprint(
  command: string,
  inputs: readonly string[],
  worktreePath: string,
): Promise<string> {
  const root = await realpath(worktreePath);
  const facts: [string, string][] = [["command", command]];
  for (const input of inputs) {
    const names = await filesOf(input, root);
    for (const name of names) facts.push([name, await contentOf(join(root, name), root)]);
  }
  return createHash("sha256").update(JSON.stringify(facts)).digest("hex");
}

/** A name stands for itself, there or not; a glob for what it matches, in a fixed order. */
async function filesOf(input: string, root: string): Promise<string[]> {
  if (!/[*?[\]{}]/.test(input)) return [input];
  const exclude = (name: string) => basename(name) === ".git" || basename(name) === "node_modules";
  const names: string[] = [];
  for await (const name of glob(input, { cwd: root, exclude })) names.push(name);
  return names.length === 0 ? [input] : names.sort();
}

async function contentOf(path: string, root: string): Promise<string> {
  const hash = createHash("sha256");
  try {
    if (!isInside(await realpath(path), root)) return "outside";
    await pipeline(createReadStream(path), hash);
    return hash.digest("hex");
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? "unreadable";
  }
}
