import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startServer } from "../test/support/server.ts";
import { type Bench, type Measure, sized } from "./support/bench.ts";
import { alternate, median, medianRatio, quantile } from "./support/statistics.ts";
import { report } from "./support/table.ts";

const FILES = sized(5_000, 500);
const ROUNDS = sized(10, 3);
const REUSES = sized(30, 5);

/**
 * A worktree of a clone, made by RealizeWorkspace and by bare `git worktree add`; and a realize that finds
 * it there. No provision command.
 */
export const realizeWorktree: Bench = {
  number: 12,
  title: `RealizeWorkspace of a worktree of ${FILES} files`,
  run: measure,
};

async function measure(): Promise<Measure[]> {
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
    const reuses: number[] = [];
    const rounds = await alternate(ROUNDS + 1, {
      ours: (round) => milliseconds(() => realize(round)),
      git: (round) => milliseconds(() => bare(round)),
    });
    // The first warms the caches of both.
    const [ours, theirs] = [rounds.ours.slice(1), rounds.git.slice(1)];
    for (let round = 0; round < REUSES; round += 1) {
      reuses.push(await milliseconds(() => realize(round % ROUNDS)));
    }
    return [
      { what: "RealizeWorkspace", value: median(ours), unit: "ms" },
      { what: "`git worktree add`", value: median(theirs), unit: "ms" },
      {
        what: "RealizeWorkspace to `git worktree add`",
        value: medianRatio(ours, theirs),
        unit: "×",
        target: { atMost: 1.1 },
      },
      { what: "RealizeWorkspace that finds it, median", value: median(reuses), unit: "ms" },
      { what: "RealizeWorkspace that finds it, p90", value: quantile(reuses, 0.9), unit: "ms" },
    ];
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

if (import.meta.main) await report(realizeWorktree);
