import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { createBaseEnvironment } from "../../src/environment/base-environment.ts";
import { readLoginShell } from "../../src/supervisor/login-shell.ts";
import { eventually } from "../support/eventually.ts";
import { processesWithVariable } from "../support/processes.ts";
import { startServer } from "../support/server.ts";
import { realizePrimary, shellService } from "../support/workspace.ts";

const OWN_PATH = process.env.PATH ?? "";
/** What a person's login files add to the server's own. */
const LOGIN_PATH = `/from/login/files:${OWN_PATH}`;
/** A shell's arguments are `-l -c SCRIPT`: the rest of a shell that works. */
const WORKS = `PATH='${LOGIN_PATH}'; export PATH; exec /bin/sh -c "$3"`;

describe("hazard 16a: a login shell", { timeout: 120_000 }, () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "wsrt-shell-"));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  /** A program of this name that is started as a login shell is. */
  function shell(name: string, body: string): string {
    const path = join(directory, name);
    writeFileSync(path, `#!/bin/sh\n${body}\n`);
    chmodSync(path, 0o755);
    return path;
  }

  /** What children get of PATH, and what the server says about it. */
  async function ask(path: string, timeoutMs = 20_000) {
    const base = createBaseEnvironment({
      environment: { PATH: OWN_PATH, SHELL: path, HOME: directory, XDG_MARK: directory },
      passEnv: [],
      readLoginShell: (inherited) => readLoginShell(inherited, timeoutMs),
    });
    const { PATH } = await base.get();
    return { PATH, warning: await base.warning() };
  }
  const fallsBack = (why: RegExp) => ({ PATH: OWN_PATH, warning: expect.stringMatching(why) });
  const answers = { PATH: LOGIN_PATH, warning: undefined };

  it("is believed about PATH", async () => {
    expect(await ask(shell("sh-like", WORKS))).toEqual(answers);
  });

  it("may print what it likes, before and after", async () => {
    const chatty = `echo 'Welcome!'; echo PATH=/evil; ${WORKS.replace("exec ", "")}; echo 'PATH=/evil bye'`;
    expect(await ask(shell("chatty", chatty))).toEqual(answers);
  });

  it("may leave children that hold its output", async () => {
    expect(await ask(shell("agent-starter", `sleep 1000 & ${WORKS}`))).toEqual(answers);
    await eventually(() => processesWithVariable("XDG_MARK", directory).length === 0);
  });

  it("that hangs, or waits for a lock, is ended with all it started, and named", async () => {
    const lock = join(directory, "lock");
    mkdirSync(lock);
    for (const [name, body] of [
      ["hangs", "sleep 1000 & sleep 1000"],
      ["locks", `while ! mkdir ${lock} 2>/dev/null; do sleep 0.05; done; ${WORKS}`],
    ] as const) {
      const why = new RegExp(`${name} did not answer within 300 ms`);
      expect(await ask(shell(name, body), 300)).toEqual(fallsBack(why));
      await eventually(() => processesWithVariable("XDG_MARK", directory).length === 0);
    }
  });

  it("that fails, is killed, prints nothing or without end gives the server's own PATH, and why", async () => {
    expect(await ask(shell("fails", "exit 3"))).toEqual(fallsBack(/fails ended with code 3/));
    expect(await ask(shell("dies", "kill -KILL $$"))).toEqual(fallsBack(/dies ended with SIGKILL/));
    expect(await ask(shell("silent", "exit 0"))).toEqual(fallsBack(/silent printed no environ/));
    expect(await ask(shell("endless", "exec cat /dev/zero"))).toEqual(fallsBack(/printed over/));
  });

  it("that is not there is /bin/sh", async () => {
    const { PATH, warning } = await ask(join(directory, "gone"));
    expect([PATH?.includes("/bin"), warning]).toEqual([true, undefined]);
  });

  it.each(["zsh", "fish"])("may be %s", async (name) => {
    const real = find(name);
    if (real !== undefined) {
      // Whatever its login files make of PATH, ours must be in what it says.
      const { PATH, warning } = await ask(real);
      expect([PATH?.includes("/bin"), warning]).toEqual([true, undefined]);
      return;
    }
    // What neither takes as sh does: assignments, parameter expansions, here-documents.
    const strict =
      'case "$3" in *[A-Za-z]=*|*\'${\'*|*"<<"*) echo "$0: syntax error" >&2; exit 127;; esac';
    expect(await ask(shell(name, `${strict}; ${WORKS}`))).toEqual(answers);
  });

  it("that hangs keeps no server from being ready and no service from starting", async () => {
    const path = shell("stuck", "exec sleep 1000");
    const server = await startServer({ env: { SHELL: path } });
    onTestFinished(() => server.stop());
    const workspace = await realizePrimary(server);
    onTestFinished(() => workspace.remove());
    await server.client.ensureServices({
      runId: "run",
      workspaceId: workspace.workspaceId,
      services: [shellService("path", 'echo "$PATH" > seen; mv seen done; exec sleep 1000')],
    });
    const seen = await eventually(() => readFileSync(join(workspace.cwd, "done"), "utf8"));
    expect(seen.trim()).toBe(OWN_PATH);
    expect(server.stderr()).toMatch(/stuck did not answer within 3000 ms/);
  });
});

function find(program: string): string | undefined {
  try {
    return execFileSync("/bin/sh", ["-c", `command -v ${program}`], { encoding: "utf8" }).trim();
  } catch {
    return undefined;
  }
}
