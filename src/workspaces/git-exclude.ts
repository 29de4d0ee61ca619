import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import type { Repository } from "../git/repository.ts";
import { isInside } from "./allowed-roots.ts";

/**
 * Keeps a directory of the main checkout out of `git status` through the repository's own
 * `info/exclude`: no tracked file is touched.
 */
export async function excludeFromStatus(repository: Repository, directory: string): Promise<void> {
  if (directory === repository.root || !isInside(directory, repository.root)) return;
  const pattern = `/${relative(repository.root, directory).split(sep).join("/")}/`;
  const file = join(repository.commonDir, "info", "exclude");
  const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "";
    throw error;
  });
  if (text.split("\n").includes(pattern)) return;
  await mkdir(join(repository.commonDir, "info"), { recursive: true });
  // Appended in one write: another program's line that comes at the same time stays.
  const lead = text === "" || text.endsWith("\n") ? "" : "\n";
  await writeFile(file, `${lead}${pattern}\n`, { flag: "a" });
}
