import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CONTROLLERS, enableControllers, homeOf } from "../../src/supervisor/controllers.ts";
import { setLimits, wasOomKilled } from "../../src/supervisor/limits.ts";
import { createHouse, type House } from "./support.ts";

describe("limits in a directory that looks like a cgroup", () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "cgroup-"));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  const file = (name: string) => readFileSync(join(root, name), "utf8");
  function put(directory: string, files: Readonly<Record<string, string>>): string {
    const path = join(root, directory);
    mkdirSync(path, { recursive: true });
    for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text);
    return path;
  }
  /** Files that the kernel has in an instance's cgroup once the controllers were handed down. */
  const instance = () =>
    put("i", { "memory.max": "max", "memory.oom.group": "0", "cpu.max": "", "pids.max": "" });

  it("are written to the files of their controllers", () => {
    const limits = { memoryBytes: 268435456, cpuMillis: 1500, pids: 64 };
    expect(setLimits(instance(), limits, {})).toEqual([]);
    expect(file("i/memory.max")).toBe("268435456");
    expect(file("i/memory.oom.group")).toContain("1");
    expect(file("i/cpu.max")).toBe("150000 100000");
    expect(file("i/pids.max")).toBe("64");
  });

  it("give a small share of a processor a long period: no quota is below a millisecond", () => {
    setLimits(instance(), { cpuMillis: 1 }, {});
    expect(file("i/cpu.max")).toBe("1000 1000000");
    setLimits(instance(), { cpuMillis: 10 }, {});
    expect(file("i/cpu.max")).toBe("1000 100000");
  });

  it("that nobody asked for are not written", () => {
    const path = instance();
    expect(setLimits(path, { pids: 0 }, { pids: "not here" })).toEqual([]);
    expect(setLimits(undefined, {}, {})).toEqual([]);
    expect(file("i/pids.max")).toBe("");
  });

  it("that cannot hold are named with the reason, and the others hold", () => {
    const path = put("partly", { "pids.max": "max" });
    const limits = { memoryBytes: 1, cpuMillis: 100, pids: 7 };
    expect(setLimits(path, limits, { cpu: "no cpu controller" })).toEqual([
      { limit: "memory_bytes", why: "memory.max could not be written (ENOENT)" },
      { limit: "cpu_millis", why: "no cpu controller" },
    ]);
    expect(file("partly/pids.max")).toContain("7");
    expect(setLimits(undefined, limits, {}).map(({ limit }) => limit)).toEqual([
      "memory_bytes",
      "cpu_millis",
      "pids",
    ]);
  });

  it("tell a kill for memory by the kernel's own count", () => {
    expect(wasOomKilled(put("a", { "memory.events": "low 0\noom 1\noom_kill 2\n" }))).toBe(true);
    expect(wasOomKilled(put("b", { "memory.events": "oom 1\noom_kill 0\n" }))).toBe(false);
    expect(wasOomKilled(join(root, "gone"))).toBe(false);
  });

  it("are handed down controller by controller, as far as there are any", () => {
    const home = put("home", {
      "cgroup.controllers": "cpuset cpu pids\n",
      "cgroup.subtree_control": "cpu\n",
    });
    const base = put("home/base", { "cgroup.subtree_control": "" });
    expect(enableControllers(home, base)).toEqual({
      memory: "no memory controller in this server's cgroup",
    });
    expect(file("home/cgroup.subtree_control")).toContain("+pids");
    expect(file("home/base/cgroup.subtree_control")).toContain("+pids");
  });

  it("are not to be had where nothing may be handed down", () => {
    const home = put("home", { "cgroup.controllers": "memory cpu pids\n" });
    const unavailable = enableControllers(home, put("home/base", {}));
    expect(Object.keys(unavailable)).toEqual([...CONTROLLERS]);
    expect(unavailable.memory).toContain("may not be handed down here (ENOENT)");
  });

  it("belong beside a server that has a leaf of its own", () => {
    expect(homeOf("/sys/fs/cgroup/unit.service/daemon")).toBe("/sys/fs/cgroup/unit.service");
    expect(homeOf("/sys/fs/cgroup/unit.service")).toBe("/sys/fs/cgroup/unit.service");
  });
});

describe("a cgroup in which processes live", () => {
  /** Any controller that children of the root have: what the kernel says to a move is the same for each. */
  const root = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].find((path) =>
    existsSync(join(path, "cgroup.subtree_control")),
  );
  const [controller] =
    root === undefined
      ? []
      : readFileSync(join(root, "cgroup.subtree_control"), "utf8").split(/\s+/);

  /** A process of its own in a cgroup of its own, with a stranger or not, asks for what it can have. */
  function ask(withStranger: boolean) {
    const module = new URL("../../src/supervisor/controllers.ts", import.meta.url).href;
    const home = join(root ?? "", `wsrt-test-${process.pid}-${withStranger}`);
    const program = `
      import { spawn } from "node:child_process";
      import { mkdirSync, readFileSync, readdirSync, rmdirSync, writeFileSync } from "node:fs";
      import { enableControllers } from ${JSON.stringify(module)};
      const home = ${JSON.stringify(home)};
      mkdirSync(home + "/base", { recursive: true });
      const child = spawn("sleep", ["60"], { stdio: "ignore" });
      const members = ${withStranger} ? [process.pid, child.pid, process.ppid] : [process.pid, child.pid];
      for (const pid of members) writeFileSync(home + "/cgroup.procs", String(pid));
      const unavailable = enableControllers(home, home + "/base", [${JSON.stringify(controller)}]);
      const where = (pid) => readFileSync("/proc/" + pid + "/cgroup", "utf8").match(/^0::(.*)$/m)[1];
      const own = where("self").split("/").at(-1);
      const childs = where(child.pid).split("/").at(-1);
      const handedDown = readFileSync(home + "/base/cgroup.subtree_control", "utf8").trim();
      for (const pid of members) writeFileSync(${JSON.stringify(root)} + "/cgroup.procs", String(pid));
      child.kill("SIGKILL");
      await new Promise((resolve) => child.once("exit", resolve));
      for (const name of readdirSync(home, { withFileTypes: true })) if (name.isDirectory()) rmdirSync(home + "/" + name.name);
      rmdirSync(home);
      console.log(JSON.stringify({ unavailable, own, childs, handedDown }));`;
    const shell = `'${process.execPath}' --input-type=module -e "$PROGRAM"; exit $?`;
    const output = execFileSync("/bin/sh", ["-c", shell], {
      encoding: "utf8",
      env: { ...process.env, PROGRAM: program },
    });
    return JSON.parse(output);
  }

  const canTry = controller !== undefined && controller !== "" && process.getuid?.() === 0;

  it("is left for a leaf by a server that is alone in it with its children", () => {
    if (!canTry) return console.log("skip: no cgroup v2 controller that this test may hand down");
    expect(ask(false)).toEqual({
      unavailable: {},
      own: "daemon",
      childs: "daemon",
      handedDown: controller,
    });
  });

  it("is left as it is when others live in it", () => {
    if (!canTry) return console.log("skip: no cgroup v2 controller that this test may hand down");
    expect(ask(true)).toMatchObject({
      unavailable: { [controller ?? ""]: "other processes live in this server's cgroup" },
      own: expect.stringMatching(/^wsrt-test/),
      handedDown: "",
    });
  });
});

describe("limits of a service", () => {
  let house: House;
  beforeEach(() => {
    house = createHouse();
  });
  afterEach(() => house.close());

  it("hold, or the log says before the service's first byte that they do not", async () => {
    const { limits } = (await house.supervisor()).capabilities();
    const service = await house.start("echo first >&2; ulimit -v; sleep 1000", {
      limits: { memoryBytes: 67108864, cpuMillis: 500, pids: 32 },
    });
    const missing = (["memory_bytes", "cpu_millis", "pids"] as const).filter(
      (_, index) => !limits[CONTROLLERS[index] ?? "memory"],
    );
    await expect.poll(() => house.log("stderr"), { timeout: 20_000 }).toContain("first\n");
    const lines = house.log("stderr").split("first\n")[0]?.split("\n").slice(0, -1) ?? [];
    expect(lines.map((line) => /limits\.(\w+) is not enforced here: ./.exec(line)?.[1])).toEqual(
      missing,
    );
    if (missing.length > 0) {
      console.log(`skip: this host cannot enforce ${missing.join(", ")}`);
    } else {
      const cgroup = /^0::(.*)$/m.exec(readFileSync(`/proc/${service.pid}/cgroup`, "utf8"))?.[1];
      expect(cgroup).toContain("workspace-runtime-");
    }
    await service.stop({ graceMs: 0 });
  });

  it("end one that takes too much memory, and its exit says why", async () => {
    const { limits } = (await house.supervisor()).capabilities();
    if (!limits.memory) {
      console.log("skip: no memory controller of cgroup v2 on this host");
      return;
    }
    const eater = await house.start(
      `exec '${process.execPath}' -e "const kept = []; for (;;) kept.push(Buffer.alloc(1 << 20, 1))"`,
      { limits: { memoryBytes: 100_000_000 } },
    );
    expect(await eater.exited).toMatchObject({ signal: "SIGKILL", oomKilled: true });
    await eater.stop();
  });
});
