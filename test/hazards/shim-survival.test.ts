import { execFileSync, fork } from "node:child_process";
import { once } from "node:events";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Instance } from "../../src/supervisor/supervisor.ts";
import {
  createHouse,
  fixture,
  type House,
  isRoot,
  lives,
  mountTmpfs,
  PROOFS,
  processesOf,
  processesWith,
  shimOf,
  writersOf,
} from "../supervisor/support.ts";
import { eventually } from "../support/eventually.ts";

/** Hazard 24a: what befalls a service, its shim and its writers while no server need be there. */
describe("hazard 24a", () => {
  let house: House;
  const cleanups: (() => void)[] = [];
  beforeEach(async () => {
    house = createHouse();
    await house.supervisor();
  });
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0)) cleanup();
    await house.close();
  });

  const chatter = (...args: (string | number)[]) => [
    process.execPath,
    fixture("chatter.mjs"),
    ...args.map(String),
  ];
  const linesOf = (text: string) =>
    text
      .split("\n")
      .flatMap((line) => (/^(\d+)\.{10,}$/.test(line) ? [Number.parseInt(line, 10)] : []));
  const numbers = (count: number) => Array.from({ length: count }, (_, n) => n + 1);

  /** Bytes that `<log>.gaps` and the final record tell as lost. */
  function lostBytes(logs: string, instance: Instance): number {
    const gaps = existsSync(join(logs, "stdout.log.gaps"))
      ? readFileSync(join(logs, "stdout.log.gaps"), "utf8")
      : "";
    const noted = gaps
      .split("\n")
      .filter((line) => /^\d+ \d+$/.test(line))
      .reduce((sum, line) => sum + Number(line.split(" ")[1]), 0);
    return noted + Number.parseInt(`0${readFileSync(join(instance.directory, "stdout.lost"))}`, 10);
  }

  function gapsOf({ directory }: House): string[] {
    const path = join(directory, "logs", "stdout.log.gaps");
    return readFileSync(path, "utf8").split("\n").filter(Boolean);
  }

  describe("a full disk", () => {
    const COUNT = 40_000; // 4 MB
    /** What a writer had read when it failed to write is lost uncounted: at most its buffer. */
    const UNCOUNTED = 128 * 1024;

    /** Logs and instance files on a disk of 1 MB; where none can be mounted, writers that may not write beyond. */
    async function smallDisk(): Promise<{ disk: string; mounted: boolean }> {
      const disk = join(house.directory, "disk");
      mkdirSync(disk);
      const unmount = mountTmpfs(disk, 1024 * 1024);
      if (unmount !== undefined) cleanups.push(unmount);
      else await limitFileSize();
      return { disk, mounted: unmount !== undefined };
    }

    async function limitFileSize(): Promise<void> {
      const shell = join(house.directory, "limited");
      writeFileSync(shell, '#!/bin/sh\nulimit -f 1024\nexec /bin/sh "$@"\n', { mode: 0o755 });
      await house.supervisor({ shell });
    }

    const on = (disk: string) => ({
      instanceId: "chatty",
      directory: join(disk, "chatty"),
      logsDirectory: join(disk, "logs"),
    });

    it("costs log, counted, and neither the service nor its exit status", async () => {
      const { disk } = await smallDisk();
      const instance = await house.start(chatter(COUNT), on(disk));
      expect(await instance.exited).toMatchObject({ code: 0, lost: false });
      await instance.drained;
      const written = statSync(join(disk, "logs", "stdout.log")).size;
      const lost = lostBytes(join(disk, "logs"), instance);
      expect(written).toBeLessThanOrEqual(1024 * 1024);
      expect(lost).toBeGreaterThan(0);
      expect(written + lost).toBeLessThanOrEqual(COUNT * 100);
      expect(written + lost).toBeGreaterThanOrEqual(COUNT * 100 - UNCOUNTED);
    });

    it("is written to again within seconds of having space, and the gap is noted", async () => {
      const { disk, mounted } = await smallDisk();
      if (!mounted) return; // a file size limit gives no space back
      const ballast = join(disk, "ballast");
      writeFileSync(ballast, Buffer.alloc(800 * 1024));
      const instance = await house.start(chatter(20_000, 0.2), on(disk));
      const log = join(disk, "logs", "stdout.log");
      // Full, and a writer at its second of dropping.
      await eventually(
        () =>
          statfsSync(disk).bavail === 0 &&
          writersOf(instance).some((pid) => commandName(pid) === "sleep"),
      );
      rmSync(ballast);
      const size = statSync(log).size;
      await eventually(() => statSync(log).size > size + 100);
      await eventually(() => lostBytes(join(disk, "logs"), instance) > 0);
      await instance.stop({ graceMs: 0 });
      await instance.drained;
      const last = linesOf(readFileSync(log, "utf8")).at(-1);
      expect(last).toBeGreaterThan(size / 100);
    });

    it("is the same for a file that may not grow (EFBIG)", async () => {
      await limitFileSize();
      const instance = await house.start(chatter(COUNT));
      expect(await instance.exited).toMatchObject({ code: 0, lost: false });
      await instance.drained;
      const written = statSync(join(house.directory, "logs", "stdout.log")).size;
      const lost = lostBytes(join(house.directory, "logs"), instance);
      expect(written + lost).toBeGreaterThanOrEqual(COUNT * 100 - UNCOUNTED);
      expect(written + lost).toBeLessThanOrEqual(COUNT * 100);
    });
  });

  it("TERM, INT, HUP and QUIT to shim and writers change nothing", async () => {
    const instance = await house.start(chatter(500, 1));
    const shim = shimOf(instance);
    for (const signal of ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT"] as const) {
      await eventually(() => writersOf(instance).length >= 4);
      process.kill(-shim, signal);
      signalAll([shim, ...writersOf(instance)], signal);
    }
    expect(await instance.exited).toMatchObject({ code: 0 });
    await instance.drained;
    expect(linesOf(house.log())).toEqual(numbers(500));
  });

  it("KILL to the cats loses no line that was not in their hands, and the service nothing", async () => {
    const instance = await house.start(chatter(1500, 2));
    for (let kills = 0; kills < 5; kills += 1) {
      const cats = await eventually(() => {
        const found = writersOf(instance).filter((pid) => commandName(pid) === "cat");
        return found.length === 2 && found;
      });
      signalAll(cats, "SIGKILL");
    }
    expect(await instance.exited).toMatchObject({ code: 0 });
    await instance.drained;
    const lines = linesOf(house.log());
    const gaps = lines.filter((line, index) => line !== (lines[index - 1] ?? 0) + 1);
    expect(gaps.length).toBeLessThanOrEqual(5);
    expect(lines).toEqual([...lines].sort((a, b) => a - b));
    expect(lines.at(-1)).toBe(1500);
    expect(readFileSync(join(house.directory, "logs", "stdout.log.gaps"), "utf8")).toMatch(
      /^\d+ 0$/m,
    );
  });

  it("KILL to the writers, cats and all: the server puts others in, no order lost", async () => {
    await house.supervisor({ sweepMs: 20, repairMs: 100 });
    const instance = await house.start(chatter(30_000));
    signalAll(writersOf(instance), "SIGKILL");
    expect(await instance.exited).toMatchObject({ code: 0 });
    await instance.drained;
    const lines = linesOf(house.log());
    expect(lines).toEqual([...lines].sort((a, b) => a - b));
    expect(lines.at(-1)).toBe(30_000);
    expect(lines.length).toBeGreaterThan(30_000 - (2 * 128 * 1024) / 100);
  });

  it("KILL to the writers without a server: the shim does their work at the end", async () => {
    const supervisor = await house.supervisor();
    const go = join(house.directory, "go");
    const instance = await house.start(
      `echo one; while ! [ -e ${go} ]; do sleep 0.01; done; echo two; echo three`,
    );
    await supervisor.close();
    await eventually(() => house.log() === "one\n");
    signalAll(writersOf(instance), "SIGKILL");
    // Until the kernel has ended it, a killed cat that waits for input takes what comes along.
    await eventually(() => writersOf(instance).length === 0);
    writeFileSync(go, "");
    await eventually(() => readFileSync(join(instance.directory, "drained"), "utf8")[0] === "1");
    expect(house.log()).toBe("one\ntwo\nthree\n");
    expect(gapsOf(house)).toEqual(["4 0"]);
  });

  it("KILL to a writer but not its cat: the end of output waits for what the cat has read", async () => {
    const supervisor = await house.supervisor();
    const go = join(house.directory, "go");
    const instance = await house.start(
      `echo one; while ! [ -e ${go} ]; do sleep 0.01; done; echo two`,
    );
    await supervisor.close();
    await eventually(() => house.log() === "one\n");
    const cats = writersOf(instance).filter((pid) => commandName(pid) === "cat");
    signalAll(cats, "SIGSTOP");
    signalAll(
      writersOf(instance).filter((pid) => commandName(pid) === "sh"),
      "SIGKILL",
    );
    writeFileSync(go, "");
    // The shim is at its second of waiting for another reader.
    await eventually(() => writersOf(instance).some((pid) => commandName(pid) === "sleep"));
    expect(readFileSync(join(instance.directory, "drained"), "utf8").trim()).toBe("");
    signalAll(cats, "SIGCONT");
    await eventually(() => readFileSync(join(instance.directory, "drained"), "utf8")[0] === "1");
    expect(house.log()).toBe("one\ntwo\n");
  });

  it("a stopped writer makes the service wait, and nothing is lost when it goes on", async () => {
    const instance = await house.start(chatter(5000));
    signalAll(writersOf(instance), "SIGSTOP");
    signalAll(writersOf(instance), "SIGCONT");
    await instance.drained;
    expect(linesOf(house.log())).toEqual(numbers(5000));
  });

  it("KILL to the whole group of the service leaves its exit known", async () => {
    const instance = await house.start("sleep 1000 & sleep 1000");
    process.kill(-instance.pid, "SIGKILL");
    expect(await instance.exited).toMatchObject({ signal: "SIGKILL", lost: false });
  });

  it("pkill -9 -f of the command hits the service only", async () => {
    const needle = `needle-${Math.random().toString(36).slice(2)}`;
    const instance = await house.start(`: ${needle}; while :; do sleep 1; done`);
    const found = await eventually(() => {
      const pids = processesWith(needle);
      return pids.length > 0 && pids;
    });
    expect(found).toContain(instance.pid); // and perhaps its child that is about to become sleep
    expect(found).not.toContain(shimOf(instance));
    execFileSync("pkill", ["-9", "-f", needle]);
    expect(await instance.exited).toMatchObject({ signal: "SIGKILL", lost: false });
    await instance.drained;
  });

  it("SIGINT and SIGQUIT end a service as they would in a terminal", async () => {
    for (const signal of ["SIGINT", "SIGQUIT"] as const) {
      const instance = await house.start("exec sleep 1000");
      expect(await instance.stop({ signal })).toMatchObject({ proven: true, escalated: false });
      expect(await instance.exited).toMatchObject({ signal });
    }
  });

  it.each(PROOFS)("env -i and setsid leftovers do not outlive the stop (%s)", async (proof) => {
    await house.supervisor({ strongestProof: proof });
    const tag = `leftover-${Math.random().toString(36).slice(2)}`;
    const instance = await house.start(`env -i setsid sh -c 'sleep 1000; :' ${tag} & exit 0`);
    await instance.exited;
    await eventually(() => processesWith(tag).length > 0);
    expect(await instance.stop()).toMatchObject({ proven: true });
    expect(processesWith(tag)).toEqual([]);
    await instance.drained;
  });

  it("a leftover of one instance writes nothing into the next", async () => {
    const first = await house.start(
      "setsid sh -c 'trap \"\" TERM; n=0; while :; do n=$((n+1)); echo late $n; sleep 0.01; done' & exit 3",
    );
    await first.exited;
    await first.stop({ graceMs: 50 });
    await first.drained;
    const size = house.log().length;
    const second = await house.start("for n in 1 2 3 4 5; do echo second $n; sleep 0.01; done");
    await second.drained;
    expect(house.log().slice(size)).toBe(
      numbers(5)
        .map((n) => `second ${n}\n`)
        .join(""),
    );
  });

  it("shims go on when their file is overwritten in place", async () => {
    const instance = await house.start(chatter(200, 2));
    const runtime = join(house.directory, "runtime");
    const [name = ""] = readdirSync(runtime).filter((file) => file.startsWith("shim-"));
    writeFileSync(join(runtime, name), "'\nexit 1\n");
    appendFileSync(join(runtime, name), "x\n".repeat(20_000));
    process.kill(-shimOf(instance), "SIGTERM");
    expect(await instance.exited).toMatchObject({ code: 0 });
    await instance.drained;
    expect(linesOf(house.log())).toEqual(numbers(200));
    // The next server puts its own back before it starts anything.
    await house.supervisor();
    expect(await (await house.start("exit 4")).exited).toMatchObject({ code: 4 });
  });

  it("a service that changes its user opens /dev/stderr", async () => {
    const drop = isRoot ? "setpriv --reuid 64999 --regid 64999 --clear-groups " : "";
    const instance = await house.start(
      `${drop}sh -c 'id -u; echo again >/dev/stdout; echo told >/dev/stderr'`,
      { cwd: "/" },
    );
    expect(await instance.exited).toMatchObject({ code: 0 });
    await instance.drained;
    expect(house.log()).toBe(`${isRoot ? "64999" : process.getuid?.()}\nagain\n`);
    expect(house.log("stderr")).toBe("told\n");
  });

  describe.each(PROOFS)("a server killed 0 to 9 ms after a spawn (%s)", (strongestProof) => {
    const KILLS = process.env.TEST_FULL ? 500 : 12;

    it(
      "has started the service once or never, and its successor knows which",
      async () => {
        const outcomes = { started: 0, never: 0 };
        for (let kill = 0; kill < KILLS; kill += 1) {
          const effect = join(house.directory, `effect-${kill}`);
          const directory = house.directoryOf(`raced-${kill}`);
          await killSpawner(kill % 10, {
            instanceId: `raced-${kill}`,
            directory,
            logsDirectory: join(house.directory, "logs"),
            cwd: house.directory,
            command: {
              kind: "command",
              command: `echo $$ >>${effect}; exec sleep 1000`,
              shell: "/bin/sh",
            },
            env: { PATH: process.env.PATH ?? "" },
            stdin: "OPEN",
          });
          const supervisor = await house.supervisor({ strongestProof, sweepMs: 50 });
          const adopted = await supervisor.adopt(directory);
          if (adopted.kind === "living") {
            outcomes.started += 1;
            await eventually(() => readFileSync(effect, "utf8") === `${adopted.instance.pid}\n`);
            expect(await adopted.instance.stop({ graceMs: 0 })).toMatchObject({ proven: true });
          } else {
            outcomes.never += 1;
            expect(adopted.kind).toBe("never-started");
            // Whatever shim was under way ends without having started anything.
            await eventually(() => processesOf(house.installationId).length === 0);
            expect(existsSync(effect)).toBe(false);
          }
          await supervisor.close();
        }
        expect(outcomes.started + outcomes.never).toBe(KILLS);
      },
      KILLS * 5000,
    );

    async function killSpawner(afterMs: number, request: object): Promise<void> {
      const options = {
        installationId: house.installationId,
        runtimeDirectory: join(house.directory, "runtime"),
        strongestProof,
        request,
      };
      const spawner = fork(fixture("spawner.ts"), [JSON.stringify(options)], { execArgv: [] });
      await once(spawner, "message");
      spawner.send("start");
      const exit = once(spawner, "exit");
      const until = performance.now() + afterMs;
      while (performance.now() < until) await new Promise((resolve) => setImmediate(resolve));
      spawner.kill("SIGKILL");
      await exit;
    }
  });

  it("a shim without its server keeps service and log whole", async () => {
    const supervisor = await house.supervisor();
    const instance = await house.start(chatter(300, 1));
    await supervisor.close();
    await eventually(() => !lives(instance.pid));
    await eventually(() => readFileSync(join(instance.directory, "drained"), "utf8")[0] === "1");
    expect(linesOf(house.log())).toEqual(numbers(300));
  });
});

function commandName(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").trim();
  } catch {
    return "";
  }
}

/** Some of them may just have ended: tools that the shim runs. */
function signalAll(pids: readonly number[], signal: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }
}
