import { execFileSync } from "node:child_process";
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { agentRun } from "../../examples/agent-run.ts";
import { bothClients } from "../client/both-clients.ts";
import { startServer } from "../support/server.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function temporaryDirectory(prefix: string): string {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), prefix)));
  cleanups.push(() => rmSync(directory, { recursive: true, force: true, maxRetries: 5 }));
  return directory;
}

function makeRepository(): string {
  const repository = temporaryDirectory("agent-run-");
  const git = (...args: readonly string[]) =>
    execFileSync("git", ["-c", "user.name=T", "-c", "user.email=t@example.com", ...args], {
      cwd: repository,
    });
  git("init", "--quiet");
  writeFileSync(join(repository, "a.txt"), "a");
  git("add", ".");
  git("commit", "--quiet", "--message=first");
  return repository;
}

describe("the life of an agent's run", { timeout: 180_000 }, () => {
  it.each(bothClients)(
    "goes through with $name, a boot of the server included",
    async ({ create }) => {
      const dataDir = temporaryDirectory("agent-run-data-");
      let server = await startServer({ dataDir });
      cleanups.push(() => server.stop());
      const client = create({ dataDir });
      cleanups.push(() => client.close());
      const lines: string[] = [];
      await agentRun(client, {
        repository: makeRepository(),
        restartServer: async () => {
          await server.kill("SIGTERM");
          server = await startServer({ dataDir });
        },
        say: (line) => void lines.push(line),
      });
      const steps = lines.filter((line) => !line.startsWith(" "));
      expect(steps.map((line) => line.split(":")[0])).toEqual([
        "The project",
        "Realize",
        "Ensure with no services",
        "Ensure from the configuration",
        "Report",
        "Release",
        "By hand",
        "Archive",
        "Boot",
      ]);
    },
  );
});
