import { existsSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import { createClient, dataDirOf, type RuntimeClient } from "../client/index.ts";
import { createGit } from "../git/git.ts";
import { checkSqliteFile } from "../store/check-file.ts";
import { examineDirectory } from "../upkeep/doctor/examine-directory.ts";
import { examineStopped } from "../upkeep/doctor/examine-stopped.ts";
import { CHECKS, type Finding } from "../upkeep/doctor/finding.ts";
import { examineRunning } from "./doctor-running.ts";
import { ExitError } from "./exit-error.ts";
import { writeLine } from "./terminal.ts";

/** `doctor`: what is wrong with an installation, and what to do about it. */
export function doctorCommand(): Command {
  return new Command("doctor")
    .description("look for what is wrong: data directory, store, processes, worktrees, ports")
    .option("--data-dir <DIR>", "the installation [WORKSPACE_RUNTIME_DATA_DIR]")
    .option(
      "--database-url <URL>",
      "of its PostgreSQL, when no server runs [WORKSPACE_RUNTIME_DATABASE_URL]",
    )
    .option("--repair", "mend what can be mended, and end strays; each is said before it is done")
    .option("--json", "the findings as JSON")
    .action(doctor);
}

interface DoctorOptions {
  readonly dataDir?: string;
  readonly databaseUrl?: string;
  readonly repair?: boolean;
  readonly json?: boolean;
}

/** A finding as it is told. */
interface Told extends Pick<Finding, "check" | "problem" | "advice"> {
  readonly repaired: boolean;
}

async function doctor(options: DoctorOptions): Promise<void> {
  const dataDir = dataDirOf(options);
  if (!existsSync(dataDir)) {
    throw new ExitError(
      `There is no data directory ${dataDir}: \`workspace-runtime serve\` makes it.`,
    );
  }
  const told: Told[] = [];
  const conclude = async (findings: readonly Finding[]) => {
    for (const finding of findings) told.push(await tell(finding, options));
  };
  // First of all: what comes after mends modes by itself.
  const own = [...examineDirectory(dataDir), ...examineFile(dataDir)];
  const git = createGit({ environment: async () => gitEnvironment() });
  const server = await findServer(dataDir);
  await conclude(own);
  if (server === undefined) {
    const databaseUrl = options.databaseUrl ?? process.env.WORKSPACE_RUNTIME_DATABASE_URL ?? "";
    await examineStopped({ dataDir, databaseUrl, git }, conclude);
  } else {
    using client = server.client;
    await conclude(
      await examineRunning(client, { dataDir, installationId: server.installationId, git }),
    );
  }
  await summarize(told, server !== undefined, options.json === true);
  if (told.some(({ repaired }) => !repaired)) throw new ExitError("");
}

function examineFile(dataDir: string): Finding[] {
  const path = join(dataDir, "store.db");
  if (!existsSync(path)) return [];
  return checkSqliteFile(path).map((line) => ({
    check: "store",
    problem: `${path} is damaged: ${line}.`,
    advice: "Stop the server, keep a copy, and restore the file from a backup. Services go on.",
  }));
}

/** Undefined when none answers: then the lock says whether one is there all the same. */
async function findServer(
  dataDir: string,
): Promise<{ client: RuntimeClient & Disposable; installationId: string } | undefined> {
  const client = createClient({ dataDir });
  try {
    const { installationId } = await client.getRuntimeInfo({}, { timeoutMs: ANSWER_MS });
    return { client, installationId };
  } catch {
    client[Symbol.dispose]();
    return undefined;
  }
}

const ANSWER_MS = 5_000;

async function tell(finding: Finding, { repair, json }: DoctorOptions): Promise<Told> {
  const { check, problem, advice } = finding;
  const say = async (line: string) => (json ? undefined : writeLine(line));
  await say(`${check}: ${problem}`);
  if (repair !== true || finding.repair === undefined) {
    if (advice !== "") await say(`  ${advice}`);
    return { check, problem, advice, repaired: false };
  }
  await say(`  repair: ${finding.repair.what}`);
  try {
    await finding.repair.run();
    return { check, problem, advice, repaired: true };
  } catch (error) {
    const failed = `not repaired: ${(error as Error).message}`;
    await say(`  ${failed}`);
    return { check, problem: `${problem} ${failed}`, advice, repaired: false };
  }
}

async function summarize(told: readonly Told[], running: boolean, json: boolean): Promise<void> {
  const left = told.filter(({ repaired }) => !repaired).length;
  if (json) {
    const report = { healthy: left === 0, serverRunning: running, checks: CHECKS, findings: told };
    return writeLine(JSON.stringify(report, undefined, 2));
  }
  const where = running ? "through the running server" : "no server runs";
  if (told.length === 0) return writeLine(`All is well (${CHECKS.join(", ")}; ${where}).`);
  await writeLine(
    left === 0
      ? `${told.length} repaired.`
      : `${left} problem${left === 1 ? "" : "s"} (${where}).${told.length > left ? ` ${told.length - left} repaired.` : ""}`,
  );
}

function gitEnvironment(): Record<string, string> {
  const { PATH = "/usr/bin:/bin", HOME = "/" } = process.env;
  return { PATH, HOME };
}
