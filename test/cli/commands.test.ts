import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { eventually } from "../support/eventually.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { isAlive } from "../support/workspace.ts";
import { runCli, startCli } from "./run-cli.ts";

function makeRepository(files: Record<string, string> = {}): string {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), "cli-")));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true, maxRetries: 5 }));
  for (const [name, text] of Object.entries({ "a.txt": "a", ...files })) {
    writeFileSync(join(directory, name), text);
  }
  const git = (...args: string[]) =>
    execFileSync("git", ["-c", "user.name=T", "-c", "user.email=t@example.com", ...args], {
      cwd: directory,
    });
  git("init", "--quiet");
  git("add", ".");
  git("commit", "--quiet", "--message=first");
  return directory;
}

const TICKS = "n=0; while :; do n=$((n + 1)); echo tick $n; sleep 0.05; done";

describe("the command line", { timeout: 120_000 }, () => {
  let server: TestServer;
  let flags: string[];
  beforeAll(async () => {
    server = await startServer();
    flags = ["--data-dir", server.dataDir];
  });
  afterAll(() => server.stop());

  it("brings an issue's services up, shows and follows them, and releases on Ctrl-C", async () => {
    const repository = makeRepository({
      "workspace-runtime.json": JSON.stringify({
        workspaceRuntime: {
          services: [{ name: "ticker", command: TICKS, stopPolicy: { type: "on_run_finish" } }],
        },
      }),
    });
    const up = startCli(["up", repository, ...flags, "--issue", "T-1", "--title", "Try it"]);
    onTestFinished(() => void up.child.kill("SIGKILL"));
    await up.says("## Workspace Ready");
    await up.says(/ticker .*tick 5\n/);
    const worktree = join(repository, ".paperclip/worktrees/T-1-try-it");
    expect(up.output.stdout).toContain(`- CWD: \`${worktree}\``);
    expect(up.output.stdout).toContain(`Created git worktree at ${worktree}`);
    // No colours where there is no terminal.
    expect(up.output.stdout).not.toContain("\u001b");

    const table = await runCli(["ps", ...flags]);
    expect(table).toMatchObject({ code: 0, stderr: "" });
    expect(table.stdout).toMatch(/^NAME +STATE +PID/);
    expect(table.stdout).toMatch(/^ticker +running +\d+ /m);
    const { services } = JSON.parse((await runCli(["ps", ...flags, "--json"])).stdout);
    const [ticker] = services;
    expect(ticker).toMatchObject({
      serviceName: "ticker",
      state: "SERVICE_STATE_RUNNING",
      cwd: worktree,
    });

    const logs = await runCli(["logs", "ticker", ...flags]);
    expect(logs.code).toBe(0);
    const ticks = logs.stdout.trimEnd().split("\n");
    expect(ticks).toEqual(ticks.map((_, index) => `tick ${index + 1}`));
    const tail = await runCli(["logs", ticker.serviceId, ...flags, "--tail", "2", "--json"]);
    const [line] = tail.stdout.split("\n");
    expect(JSON.parse(line ?? "")).toMatchObject({ service: "ticker", stream: "stdout" });

    const refused = await runCli(["stop", "ticker", ...flags]);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain("--force");

    up.child.kill("SIGINT");
    expect(await up.ended).toBe(0);
    expect(up.output.stdout).toMatch(/ticker .*stopped in .*proven by/);
    expect(isAlive(Number(ticker.providerRef))).toBe(false);
  });

  it("follows a log until the service has been stopped, and shows the receipt", async () => {
    const directory = makeRepository();
    const up = startCli(["up", directory, ...flags, "--json", "--service", `count=${TICKS}`]);
    onTestFinished(() => void up.child.kill("SIGKILL"));
    await up.says('"event":"ready"');
    const logs = startCli(["logs", "-f", "count", ...flags]);
    onTestFinished(() => void logs.child.kill("SIGKILL"));
    await logs.says("tick 20\n");
    const stopped = await runCli(["stop", "--force", "count", ...flags]);
    expect(stopped.stdout).toMatch(/^count: stopped in \d+\.\d\d s \(SIGTERM/);
    expect(stopped.code).toBe(0);
    expect(await logs.ended).toBe(0);
    expect(logs.output.stderr).toContain("[ended: SIGTERM]");
    // Nothing is left to follow: that is not what was asked for.
    expect(await up.ended).toBe(1);
    const events = up.output.stdout.trimEnd().split("\n");
    expect(events.map((event) => JSON.parse(event).event)).toContain("log");
    expect((await runCli(["stop", "count", ...flags])).stdout).toBe("count: was not running\n");
    const { stdout } = await runCli(["ps", ...flags]);
    expect(stdout).toContain("--all");
  });

  it("says why a service did not come up", async () => {
    const directory = makeRepository();
    const up = await runCli(["up", directory, ...flags, "--service", "bad=echo boom >&2; exit 3"]);
    expect(up.code).toBe(1);
    expect(up.stderr).toMatch(/bad: .*exit code 3|bad: .*code 3/);
    expect(up.stderr).toContain("    boom");
  });

  it("tells the health by its exit code, without a token", async () => {
    const address = { WORKSPACE_RUNTIME_ADDRESS: server.address, WORKSPACE_RUNTIME_TOKEN: "wrong" };
    expect(await runCli(["health"], address)).toMatchObject({ code: 0, stdout: "serving\n" });
    expect(await runCli(["health", ...flags])).toMatchObject({ code: 0 });
    const gone = await runCli(["health", "--address", "http://127.0.0.1:1"]);
    expect(gone.code).toBe(1);
    expect(gone.stderr).toMatch(/^The server cannot be reached.*\n$/);
  });

  it.each([
    [["ps", "--data-dir", "/nowhere"], 1, /no server is running .*workspace-runtime serve/i],
    [["logs", "nobody"], 1, /no service "nobody".*ps --all/],
    [["logs"], 2, /SERVICE/],
    [["logs", "x", "--tail", "many"], 2, /whole number/],
    [["stop"], 2, /--workspace ID/],
    [["up", "/nowhere"], 2, /no directory \/nowhere/],
    [["frobnicate"], 2, /frobnicate/],
    [["serve", "--listen", "nonsense"], 2, /--listen nonsense is not HOST:PORT/],
  ])("answers %j with exit code %i", async (args, code, says) => {
    const env = { WORKSPACE_RUNTIME_DATA_DIR: server.dataDir };
    const run = await runCli(args, args.includes("--data-dir") ? {} : env);
    expect(run.stderr).toMatch(says);
    expect(run.stderr).not.toMatch(/^ {4}at /m);
    expect(run.code).toBe(code);
  });

  it("says what to do about a wrong token", async () => {
    const env = { WORKSPACE_RUNTIME_ADDRESS: server.address, WORKSPACE_RUNTIME_TOKEN: "wrong" };
    const { code, stderr } = await runCli(["ps"], env);
    expect(code).toBe(1);
    expect(stderr).toMatch(/refused the token.*--data-dir.*\n$/);
  });

  it("starts a server where none runs, which goes on without it", async () => {
    const directory = makeRepository();
    const state = mkdtempSync(join(tmpdir(), "state-"));
    onTestFinished(() => rmSync(state, { recursive: true, force: true, maxRetries: 5 }));
    const dataDir = join(state, "workspace-runtime");
    const env = { XDG_STATE_HOME: state };
    const up = startCli(
      ["up", directory, "--listen", "127.0.0.1:0", "--service", `count=${TICKS}`],
      env,
    );
    onTestFinished(() => void up.child.kill("SIGKILL"));
    await up.says("## Workspace Ready");
    const { pid } = JSON.parse(readFileSync(join(dataDir, "server.json"), "utf8"));
    onTestFinished(async () => {
      await runCli(["stop", "--all", "--force"], env);
      process.kill(pid, "SIGTERM");
      await eventually(() => !isAlive(pid), { timeoutMs: 20_000 });
    });
    up.child.kill("SIGTERM");
    expect(await up.ended).toBe(0);
    expect(await runCli(["health"], env)).toMatchObject({ code: 0 });
    expect(await runCli(["ps"], env)).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^No services/),
    });
  });
});
