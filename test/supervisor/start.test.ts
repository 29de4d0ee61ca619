import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { RuntimeError } from "../../src/errors.ts";
import type { InstanceRecord } from "../../src/supervisor/instance-directory.ts";
import { readProcessStat } from "../../src/supervisor/process-stat.ts";
import { eventually } from "../support/eventually.ts";
import { createHouse, type House, lives, processesOf, shimOf } from "./support.ts";

describe("starting a process", () => {
  let house: House;
  beforeEach(async () => {
    house = createHouse();
    await house.supervisor();
  });
  afterEach(() => house.close());

  async function refused(start: Promise<unknown>): Promise<RuntimeError> {
    const error = await start.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(RuntimeError);
    return error as RuntimeError;
  }

  it("resolves with the command's own process, which leads its session and group", async () => {
    const before = Date.now();
    const instance = await house.start("exec sleep 1000");
    expect(readProcessStat(instance.pid)).toMatchObject({
      session: instance.pid,
      group: instance.pid,
      startTime: instance.identity.startTime,
    });
    expect(Math.abs(instance.startTime - before)).toBeLessThan(2000);
    await eventually(() =>
      readFileSync(`/proc/${instance.pid}/cmdline`, "utf8").startsWith("sleep\0"),
    );
  });

  it("takes the cgroup that a server made and died over, which left the instance without one", async () => {
    const cgroupOf = ({ directory }: { directory: string }) =>
      (JSON.parse(readFileSync(join(directory, "instance.json"), "utf8")) as InstanceRecord).cgroup;
    const path = cgroupOf(await house.start("exec sleep 1000"));
    // Where the host has no cgroups there is none to take either.
    const next = path === "" ? "" : path.replace(/[^/]*$/, "left-behind");
    if (next !== "") mkdirSync(next);
    const instance = await house.start("exec sleep 1000", { instanceId: "left-behind" });
    expect(cgroupOf(instance)).toBe(next);
    expect((await instance.stop({ graceMs: 0 })).proven).toBe(true);
    expect(next !== "" && existsSync(next)).toBe(false);
  });

  it("gives it the variables asked for, its marker and PWD, and no other", async () => {
    const env = {
      PATH: "/usr/bin:/bin",
      QUOTES: `it's "so" $HOME \`x\` \\ !`,
      LINES: "one\ntwo\n",
      UNICODE: "grün 🙂",
      EMPTY: "",
      UID: "17",
      SHELLOPTS: "xtrace",
      "npm.odd-name": "kept",
    };
    const instance = await house.start(["env", "-0"], { env });
    await instance.drained;
    const seen = Object.fromEntries(
      house
        .log()
        .split("\0")
        .filter(Boolean)
        .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
    );
    expect(seen).toEqual({
      ...env,
      WORKSPACE_RUNTIME_MARKER: `${house.installationId}.${instance.instanceId}`,
      PWD: house.directory,
    });
  });

  it("runs arguments as they are, without a shell", async () => {
    const instance = await house.start(["printf", "%s|", "a b", "$HOME", "'", ""]);
    expect(await instance.exited).toMatchObject({ code: 0 });
    await instance.drained;
    expect(house.log()).toBe("a b|$HOME|'||");
  });

  it("puts back what the server has changed for itself: descriptors, umask, signals", async () => {
    const instance = await house.start(
      "ulimit -Sn; umask; cat /proc/self/oom_score_adj; grep SigIgn /proc/self/status",
    );
    await instance.drained;
    expect(house.log().split("\n").slice(0, 4)).toEqual([
      "1024",
      "0022",
      "0",
      "SigIgn:\t0000000000000000",
    ]);
  });

  it("holds standard input open without input, unless it is asked for none", async () => {
    const open = await house.start("read -r line; echo ended", { stdin: "OPEN" });
    const none = await house.start("read -r line; echo ended", {
      stdin: "NULL",
      logsDirectory: join(house.directory, "none"),
    });
    expect(await none.exited).toMatchObject({ code: 0 });
    await none.drained;
    expect(lives(open.pid)).toBe(true);
    expect(readFileSync(join(house.directory, "none", "stdout.log"), "utf8")).toBe("ended\n");
  });

  it("starts when the service's PATH has no tools in it", async () => {
    const instance = await house.start("echo running; ls", { env: { PATH: "/opt/x" } });
    expect(await instance.exited).toMatchObject({ code: 127 });
    await instance.drained;
    expect(house.log()).toBe("running\n");
  });

  it("shows the service's LD_PRELOAD, command and secrets to the service only", async () => {
    const instance = await house.start("exec sleep 1000 # needle-in-command", {
      env: { PATH: "/usr/bin:/bin", LD_PRELOAD: "/nonexistent/needle.so", TOKEN: "needle" },
    });
    const shim = shimOf(instance);
    for (const file of ["environ", "cmdline"]) {
      expect(readFileSync(`/proc/${shim}/${file}`, "utf8")).not.toContain("needle");
    }
    await eventually(() => house.log("stderr").includes("LD_PRELOAD"));
    expect(readFileSync(join(instance.directory, "shim.log"), "utf8")).toBe("");
  });

  it("keeps directories 0700, files 0600, and the variables no longer than the process", async () => {
    const instance = await house.start("exec sleep 1000", { env: { PATH: "/bin", TOKEN: "x" } });
    const mode = (...path: string[]) =>
      (statSync(join(house.directory, ...path)).mode & 0o777).toString(8);
    const of = (name: string) => mode("instances", instance.instanceId, name);
    expect([mode("runtime"), mode("logs"), of(".")]).toEqual(["700", "700", "700"]);
    for (const name of ["claim", "pid", "exit", "drained", "run", "environment.json", "shim.log"]) {
      expect([name, of(name)]).toEqual([name, "600"]);
    }
    expect([mode("logs", "stdout.log"), mode("logs", "stderr.log")]).toEqual(["600", "600"]);
    expect(await instance.environment()).toEqual({ PATH: "/bin", TOKEN: "x" });
    await instance.stop({ graceMs: 0 });
    await eventually(() => {
      expect(() => of("run")).toThrow();
      expect(() => of("environment.json")).toThrow();
      return true;
    });
  });

  it("names a missing, closed or wrong working directory", async () => {
    const missing = await refused(house.start("true", { cwd: join(house.directory, "gone") }));
    expect(missing.reason).toBe("SPAWN_FAILED");
    expect(missing.message).toMatch(/working directory .*gone.*does not exist/);
    const file = join(house.directory, "file");
    writeFileSync(file, "");
    expect((await refused(house.start("true", { cwd: file }))).reason).toBe("SPAWN_FAILED");
    expect(processesOf(house.installationId)).toEqual([]);
  });

  it("names a program that is missing or not executable", async () => {
    const plain = join(house.directory, "plain");
    writeFileSync(plain, "#!/bin/sh\n");
    chmodSync(plain, 0o644);
    for (const [args, why] of [
      [["no-such-program"], /cannot run no-such-program: it does not exist/],
      [["./plain"], /cannot run .\/plain: permission denied/],
    ] as const) {
      const error = await refused(house.start(args));
      expect(error.reason).toBe("SPAWN_FAILED");
      expect(error.message).toMatch(why);
    }
    const noShell = await refused(
      house.start("true", { command: { kind: "command", command: "true", shell: "/no/shell" } }),
    );
    expect(noShell.message).toMatch(/cannot run \/no\/shell/);
    chmodSync(plain, 0o755);
    expect(await (await house.start(["./plain"])).exited).toMatchObject({ code: 0 });
  });

  it("carries an environment of 1.9 MB and refuses what exec would refuse, with the size", async () => {
    const variables = (count: number) => ({
      PATH: "/usr/bin:/bin",
      ...Object.fromEntries(
        Array.from({ length: count }, (_, n) => [`VARIABLE_${n}`, "x".repeat(50_000)]),
      ),
    });
    const instance = await house.start("env | grep -c ^VARIABLE_", { env: variables(38) });
    await instance.drained;
    expect(house.log()).toBe("38\n");

    const tooLarge = await refused(house.start("true", { env: variables(46) }));
    expect(tooLarge.reason).toBe("INVALID_FIELD");
    expect(tooLarge.message).toMatch(/env: .* 230\d{4} bytes/);
    const oneTooLarge = await refused(
      house.start("true", { env: { PATH: "/bin", BIG: "x".repeat(131_072) } }),
    );
    expect(oneTooLarge.violations[0]?.field).toBe("env.BIG");
    const command = await refused(house.start(`: ${"x".repeat(131_072)}`));
    expect(command.reason).toBe("INVALID_FIELD");
  });

  it("tells what kept the shim from starting it, and starts nothing", async () => {
    const cwd = join(house.directory, "vanishing");
    mkdirSync(cwd);
    // The directory goes between the look before the spawn and the start.
    await house.supervisor({ shell: wrapper(house, `rmdir ${cwd}; exec /bin/sh "$@"`) });
    const gone = await refused(house.start("echo started", { cwd }));
    expect(gone.reason).toBe("SPAWN_FAILED");
    expect(gone.message).toMatch(/vanishing/);
    await house.supervisor({ shell: wrapper(house, "echo no luck >&2; exit 1") });
    const failed = await refused(house.start("echo started"));
    expect(failed.message).toMatch(/no luck/);
    expect(house.log()).toBe("");
    await eventually(() => processesOf(house.installationId).length === 0);
  });

  it("refuses a directory that is there already", async () => {
    const first = await house.start("exec sleep 1000");
    const second = await refused(house.start("true", { instanceId: first.instanceId }));
    expect(second.reason).toBe("SPAWN_FAILED");
    expect(lives(first.pid)).toBe(true);
    await house.supervisor();
    expect(await first.environment()).toBeDefined();
  });

  it("starts 40 at once", async () => {
    const instances = await Promise.all(Array.from({ length: 40 }, () => house.start("exit 5")));
    const exits = await Promise.all(instances.map(({ exited }) => exited));
    expect(new Set(exits.map(({ code }) => code))).toEqual(new Set([5]));
    await Promise.all(instances.map(({ drained }) => drained));
  });

  it("leaves no secret behind when a start fails", async () => {
    await house.supervisor({ shell: wrapper(house, "exit 1") });
    await refused(house.start("true", { instanceId: "failed" }));
    expect(() => statSync(join(house.directoryOf("failed"), "run"))).toThrow();
    rmSync(house.directoryOf("failed"), { recursive: true });
  });
});

function wrapper(house: House, text: string): string {
  const path = join(house.directory, `wrapper-${Math.random().toString(36).slice(2)}`);
  writeFileSync(path, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  return path;
}
