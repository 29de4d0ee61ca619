import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readClaim, readDrained, readExit } from "../../src/supervisor/instance-directory.ts";
import { renderRunFile } from "../../src/supervisor/run-file.ts";
import { shimEnvironment } from "../../src/supervisor/shim-environment.ts";
import { isRoot, mountTmpfs } from "./support.ts";

const SHIM = join(import.meta.dirname, "../../src/supervisor/shim.sh");

/** The shells of this host that call themselves POSIX; each is run under the name sh. */
const SHELLS = ["dash", "bash", "busybox", "mksh", "yash"].flatMap((name) => {
  const found = (process.env.PATH ?? "")
    .split(delimiter)
    .map((directory) => join(directory, name))
    .find((path) => {
      try {
        execFileSync("test", ["-x", path]);
        return true;
      } catch {
        return false;
      }
    });
  return found === undefined ? [] : [[name, found] as const];
});

describe.each(SHELLS)("the shim alone, under %s", (name, program) => {
  let directory: string;
  let instance: string;
  let shell: string;
  let unmount: (() => void) | undefined;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "shim-"));
    instance = join(directory, "instance");
    mkdirSync(instance);
    mkdirSync(join(directory, "logs"));
    shell = join(directory, "sh");
    symlinkSync(program, shell);
  });
  afterEach(() => {
    unmount?.();
    unmount = undefined;
    rmSync(directory, { recursive: true, force: true });
  });

  async function runShim(command: string, prefix: readonly string[] = []): Promise<number> {
    try {
      writeFileSync(
        join(instance, "run"),
        renderRunFile({
          cwd: directory,
          args: ["/bin/sh", "-c", command],
          env: { PATH: "/usr/bin:/bin" },
        }),
        { mode: 0o644 },
      );
    } catch {
      // the disk is full: that is what the test is about
    }
    return spawnShim(prefix);
  }

  async function spawnShim(prefix: readonly string[] = []): Promise<number> {
    const [file = "", ...args] = [...prefix, shell, SHIM];
    const child = spawn(file, args, {
      cwd: instance,
      detached: true,
      stdio: ["ignore", "ignore", "ignore"],
      env: shimEnvironment(
        {
          installationId: "shim-test",
          instanceId: "1",
          bootId: "",
          pidNamespace: "",
          logsDirectory: join(directory, "logs"),
          cgroup: "",
          subreaper: false,
        },
        { shell, stdin: "NULL" },
      ),
    });
    const [code] = await once(child, "exit");
    return code as number;
  }

  it("records claim, pid, exit and the end of output, and leaves no pipe by name", async () => {
    expect(await runShim("echo out; echo err >&2; exit 3")).toBe(0);
    expect(readExit(instance)).toMatchObject({ status: 3 });
    expect(readDrained(instance)).toEqual({ drained: true, alone: false });
    expect(readClaim(instance, "claim").kind).toBe("process");
    expect(readClaim(instance, "pid").kind).toBe("process");
    expect(readFileSync(join(directory, "logs/stdout.log"), "utf8")).toBe("out\n");
    expect(readFileSync(join(directory, "logs/stderr.log"), "utf8")).toBe("err\n");
    expect(readdirSync(instance).sort()).toEqual(
      ["claim", "drained", "exit", "pid", "run", "stderr.lost", "stdout.lost"].sort(),
    );
  });

  it("survives opening its output again by name", async () => {
    await runShim(
      "echo 1; echo 2 >/dev/stdout; echo 3 >/proc/self/fd/1; echo x >/dev/stderr; echo 4",
    );
    expect(readFileSync(join(directory, "logs/stdout.log"), "utf8")).toBe("1\n2\n3\n4\n");
    expect(readFileSync(join(directory, "logs/stderr.log"), "utf8")).toBe("x\n");
  });

  it("ends with 75 and starts nothing where a server has claimed the instance", async () => {
    writeFileSync(join(instance, "claim"), "server\n");
    expect(await runShim("echo started")).toBe(75);
    expect(readExit(instance)).toBeUndefined();
    rmSync(join(instance, "claim"));
    writeFileSync(join(instance, "pid"), "server\n");
    expect(await runShim("echo started")).toBe(0);
    expect(readExit(instance)).toMatchObject({ status: 75 });
    expect(readFileSync(join(directory, "logs/stdout.log"), "utf8")).toBe("");
  });

  it("starts nothing when the service's directory is gone", async () => {
    writeFileSync(
      join(instance, "run"),
      renderRunFile({ cwd: join(directory, "gone"), args: ["/bin/echo", "started"], env: {} }),
    );
    expect(await spawnShim()).toBe(0);
    expect(readExit(instance)).toMatchObject({ status: 126 });
    expect(readClaim(instance, "pid").kind).toBe("absent");
  });

  it("reports what exec refuses as a shell does", async () => {
    const plain = join(directory, "plain");
    writeFileSync(plain, "");
    for (const [program, status] of [
      [join(directory, "missing"), 127],
      [plain, 126],
    ] as const) {
      rmSync(instance, { recursive: true });
      mkdirSync(instance);
      chmodSync(plain, 0o644);
      writeFileSync(
        join(instance, "run"),
        renderRunFile({ cwd: directory, args: [program], env: {} }),
      );
      await spawnShim();
      expect(readExit(instance)).toMatchObject({ status });
      expect(readFileSync(join(directory, "logs/stderr.log"), "utf8")).toContain(program);
    }
  });

  it("starts nothing on a disk that is full before it can record the outcome", async () => {
    unmount = mountTmpfs(instance, 64 * 1024);
    if (unmount === undefined) {
      // The same for any process: no file may grow at all.
      expect(await runShim("echo started", ["prlimit", "--fsize=0"])).not.toBe(0);
    } else {
      writeFileSync(join(instance, "run"), "enter() { :; }; launch() { echo started >&7; }\n");
      try {
        writeFileSync(join(instance, "fill"), Buffer.alloc(1024 * 1024));
      } catch {
        // full
      }
      expect(await spawnShim()).not.toBe(0);
    }
    expect(readExit(instance)).toBeUndefined();
    expect(["absent", "empty"]).toContain(readClaim(instance, "pid").kind);
  });

  // bash tries again for 15 s before it says so.
  if (name !== "bash") {
    it("starts nothing when it may not fork", async () => {
      const prefix = isRoot
        ? ["setpriv", "--reuid", "64999", "--clear-groups", "prlimit", "--nproc=1"]
        : ["prlimit", "--nproc=1"];
      if (isRoot) {
        chmodSync(directory, 0o755);
        chmodSync(instance, 0o777);
        chmodSync(join(directory, "logs"), 0o777);
      }
      expect(await runShim("echo started", prefix)).not.toBe(0);
      expect(readExit(instance)).toBeUndefined();
      expect(readClaim(instance, "pid").kind).toBe("absent");
    });
  }

  it("ends quietly when its directory is deleted meanwhile", async () => {
    const ended = runShim(`rm -r ${instance}; echo still; exit 0`);
    expect(await ended).toBe(0);
    expect(readFileSync(join(directory, "logs/stdout.log"), "utf8")).toBe("still\n");
  });
});
