import { readFileSync, realpathSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { attemptExec } from "../../src/services/readiness/attempt-exec.ts";
import { MARKER_VARIABLE } from "../../src/supervisor/marker.ts";
import { runProbeCommand } from "../../src/supervisor/probe-command.ts";
import { eventually } from "../support/eventually.ts";
import { isAlive } from "../support/workspace.ts";

const PATIENCE_MS = 30_000;

describe("an exec probe", () => {
  let cwd: string;
  beforeAll(async () => {
    cwd = await mkdtemp(join(tmpdir(), "wsrt-exec-"));
  });
  afterAll(() => rm(cwd, { recursive: true, force: true }));

  const env = { PATH: process.env.PATH ?? "", GREETING: "hello" };
  const run = (command: string, timeoutMs: number) =>
    runProbeCommand({ shell: "/bin/sh", command, cwd, env, timeoutMs });
  const probe = (command: string, timeoutMs = PATIENCE_MS) => attemptExec(command, run, timeoutMs);
  const written = (name: string) =>
    eventually(() => readFileSync(join(cwd, name), "utf8").trim() || undefined);

  it("is good when the command ends with 0, in the service's directory and environment alone", async () => {
    expect(await probe('test "$GREETING" = hello && pwd -P >where')).toEqual({ ok: true });
    expect(await written("where")).toBe(realpathSync(cwd));
    await probe("env >environment");
    const names = (await written("environment")).split("\n").map((line) => line.split("=")[0]);
    expect(names).toContain("GREETING");
    expect(names).not.toContain(MARKER_VARIABLE);
    expect(names).not.toContain("NODE_PATH");
  });

  it("says how the command ended, with its last lines", async () => {
    expect(await probe("echo one; echo two >&2; exit 3")).toMatchObject({
      reason: "EXEC_FAILED",
      error: expect.stringMatching(/^the command exited with code 3: .*two/),
    });
    expect(await probe("kill -KILL $$")).toMatchObject({
      reason: "EXEC_FAILED",
      error: expect.stringMatching(/SIGKILL|137/),
    });
  });

  it("is bounded, and leaves nothing of its group alive", async () => {
    const outcome = await probe("sleep 1000 & echo $! >left; echo waiting; sleep 1000", 400);
    expect(outcome).toMatchObject({
      reason: "PROBE_TIMEOUT",
      error: expect.stringContaining("waiting"),
    });
    const left = Number(await written("left"));
    await eventually(() => !isAlive(left));
  });

  it("ends what a good command left behind, and waits for none of it", async () => {
    expect(await probe("sleep 1000 & echo $! >behind")).toEqual({ ok: true });
    const behind = Number(await written("behind"));
    await eventually(() => !isAlive(behind));
  });

  it("does not wait for one that left the group and holds the output", async () => {
    const begun = performance.now();
    expect(await probe("setsid sleep 60 & echo $! >away; exit 1")).toMatchObject({
      reason: "EXEC_FAILED",
    });
    expect(performance.now() - begun).toBeLessThan(PATIENCE_MS);
    process.kill(Number(await written("away")), "SIGKILL");
  });

  it("keeps the end of a flood", async () => {
    const { output, code } = await run(
      "head -c 5000000 /dev/zero | tr '\\0' x; echo end; exit 1",
      PATIENCE_MS,
    );
    expect(code).toBe(1);
    expect(output.length).toBeLessThanOrEqual(4096);
    expect(output).toMatch(/xend\n$/);
  });

  it("tells what keeps it from running", async () => {
    const gone = await attemptExec(
      "true",
      (command, timeoutMs) =>
        runProbeCommand({ shell: "/bin/sh", command, cwd: join(cwd, "gone"), env, timeoutMs }),
      PATIENCE_MS,
    );
    expect(gone).toMatchObject({
      reason: "EXEC_FAILED",
      error: expect.stringContaining("could not be run"),
    });
    expect(await probe("x".repeat(3_000_000))).toMatchObject({ reason: "EXEC_FAILED" });
  });
});
