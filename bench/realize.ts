import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startServer } from "../test/support/server.ts";
import { median, quantile } from "./support/statistics.ts";

const FILES = Number(process.env.BENCH_FILES ?? 5_000);
const ROUNDS = 10;
const REUSES = 30;

/**
 * A worktree of a clone of 5,000 files, made by RealizeWorkspace and by bare `git worktree add`,
 * alternating in one run; and a realize that finds it there. No provision command.
 */
export async function measureRealize(): Promise<Record<string, number>> {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), "bench-realize-")));
  const repository = join(directory, "repository");
  git(directory, "clone", "--quiet", makeRepository(join(directory, "origin")), repository);
  const server = await startServer();
  const realize = (round: number) =>
    server.client.realizeWorkspace({
      companyId: "company",
      baseCwd: repository,
      agent: { agentId: "agent", name: "Agent" },
      issue: { issueId: `issue-${round}`, identifier: `B-${round}`, title: "Bench" },
      strategy: { case: "gitWorktree", value: {} },
    });
  const bare = (round: number) => {
    const path = join(directory, `bare-${round}`);
    git(repository, "worktree", "add", "-b", `bare-${round}`, path, "origin/main");
  };
  try {
    const [ours, theirs, reuses]: [number[], number[], number[]] = [[], [], []];
    for (let round = 0; round <= ROUNDS; round += 1) {
      const realized = await milliseconds(() => realize(round));
      const added = await milliseconds(() => bare(round));
      // The first warms the caches of both.
      if (round > 0) {
        ours.push(realized);
        theirs.push(added);
      }
    }
    for (let round = 0; round < REUSES; round += 1) {
      reuses.push(await milliseconds(() => realize(round % ROUNDS)));
    }
    return {
      realizeMedianMs: median(ours),
      worktreeAddMedianMs: median(theirs),
      realizeToWorktreeAdd: median(ours) / median(theirs),
      reuseMedianMs: median(reuses),
      reuseP90Ms: quantile(reuses, 0.9),
    };
  } finally {
    await server.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

function makeRepository(path: string): string {
  for (let file = 0; file < FILES; file += 1) {
    const folder = join(path, `src/part-${file % 50}`);
    mkdirSync(folder, { recursive: true });
    writeFileSync(
      join(folder, `module-${file}.ts`),
      `export const n${file} = ${file};\n`.repeat(20),
    );
  }
  git(path, "init", "--quiet", "--initial-branch=main");
  git(path, "add", ".");
  git(path, "-c", "user.name=B", "-c", "user.email=b@example.test", "commit", "-qm", "first");
  return path;
}

function git(cwd: string, ...args: string[]): void {
  execFileSync("git", args, { cwd, stdio: "ignore" });
}

async function milliseconds(action: () => unknown): Promise<number> {
  const start = performance.now();
  await action();
  return performance.now() - start;
}

if (import.meta.main) console.log(await measureRealize());
