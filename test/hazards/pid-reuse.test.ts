import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { findLive } from "../../src/supervisor/identity.ts";
import { isLive, readProcessStat } from "../../src/supervisor/process-stat.ts";
import { createProcessTables } from "../../src/supervisor/process-table.ts";
import { signalGroupOf, signalProcess } from "../../src/supervisor/signal.ts";
import { findMembers, type Tree } from "../../src/supervisor/tree.ts";
import { createHouse, type House, isRoot, lives, shimOf } from "../supervisor/support.ts";
import { eventually } from "../support/eventually.ts";

describe("hazard 17: a number is not a process", () => {
  let house: House;
  beforeEach(async () => {
    house = createHouse();
    await house.supervisor({ sweepMs: 20 });
  });
  afterEach(() => house.close());

  it("never signals a process that has the number but not the start time", async () => {
    const instance = await house.start("exec sleep 1000");
    const stranger = { pid: instance.pid, startTime: instance.identity.startTime - 1 };
    expect(signalProcess(stranger, "SIGKILL")).toBe("GONE");
    expect(signalGroupOf(stranger, "SIGKILL")).toBe("GONE");
    expect(lives(instance.pid)).toBe(true);
  });

  it("never signals 0, 1 or itself, nor its own group", async () => {
    const own = readProcessStat(process.pid);
    const init = readProcessStat(1);
    if (own === undefined || init === undefined) throw new Error("no /proc");
    expect(signalProcess(own, "SIGKILL")).toBe("REFUSED");
    expect(signalGroupOf(own, "SIGKILL")).toBe("REFUSED");
    expect(signalProcess(init, "SIGKILL")).toBe("REFUSED");
    for (const pid of [0, -1, 1]) {
      expect(signalProcess({ pid, startTime: init.startTime }, "SIGKILL")).not.toBe("SENT");
      expect(signalGroupOf({ pid, startTime: init.startTime }, "SIGKILL")).not.toBe("SENT");
    }
  });

  it("takes a session that another leader has now for another's", async () => {
    const instance = await house.start("exec sleep 1000");
    const table = await createProcessTables().pass(0);
    const tree = (changes: Partial<Tree>): Tree => ({
      main: { pid: instance.pid, startTime: instance.identity.startTime },
      shim: undefined,
      marker: "another.marker",
      pipes: [],
      known: new Map(),
      mainEnded: () => Date.now(),
      ...changes,
    });
    const pids = (found: Tree) => findMembers(table, found).map(({ pid }) => pid);
    expect(pids(tree({ marker: `${house.installationId}.${instance.instanceId}` }))).toEqual([
      instance.pid,
    ]);
    expect(
      pids(tree({ main: { pid: instance.pid, startTime: instance.identity.startTime - 1 } })),
    ).toEqual([]);
  });

  it("takes a session without a leader for its own only on evidence", async () => {
    // A stranger's session whose leader has gone: what our main process's number may have become.
    const leader = spawn("/bin/sh", ["-c", "sleep 1000 & echo $!"], {
      detached: true,
      stdio: ["ignore", "pipe", "ignore"],
    });
    const [text] = await once(leader.stdout, "data");
    const stranger = Number(text);
    await once(leader, "exit");
    try {
      const stat = readProcessStat(stranger);
      expect(stat?.session).toBe(leader.pid);
      const tree = (mainEnded: () => number | undefined): Tree => ({
        main: { pid: leader.pid ?? 0, startTime: 1 },
        shim: undefined,
        marker: "no.marker",
        pipes: [],
        known: new Map(),
        mainEnded,
      });
      const table = await createProcessTables().pass(0);
      expect(
        findMembers(
          table,
          tree(() => undefined),
        ),
      ).toEqual([]);
      expect(
        findMembers(
          table,
          tree(() => Date.now() - 60_000),
        ),
      ).toEqual([]);
      expect(
        findMembers(
          table,
          tree(() => Date.now()),
        ).map(({ pid }) => pid),
      ).toEqual([stranger]);
    } finally {
      process.kill(stranger, "SIGKILL");
    }
  });

  it("leaves another installation's processes alone, also a nested one's", async () => {
    const other = createHouse();
    try {
      await other.supervisor({ strongestProof: "SCAN" });
      const theirs = await other.start("exec sleep 1000");
      await house.supervisor({ strongestProof: "SCAN" });
      const ours = await house.start("exec sleep 1000", {
        env: {
          PATH: process.env.PATH ?? "",
          WORKSPACE_RUNTIME_MARKER: `${other.installationId}.${theirs.instanceId}`,
        },
      });
      expect(await theirs.stop({ graceMs: 0 })).toMatchObject({ processesEnded: 1 });
      expect(lives(ours.pid)).toBe(true);
    } finally {
      await other.close();
    }
  });

  it("does not take a recycled number in a record for the service", async () => {
    const supervisor = await house.supervisor({ sweepMs: 20 });
    const instance = await house.start("exec sleep 1000");
    const startTime = readProcessStat(instance.pid)?.startTime;
    process.kill(shimOf(instance), "SIGKILL");
    process.kill(instance.pid, "SIGKILL");
    await instance.exited;
    // A number comes round again after thousands of others, never within the same tick of the kernel's clock.
    const stranger = await eventually(() => {
      const child = spawn("sleep", ["1000"], { detached: true });
      if (readProcessStat(child.pid ?? 0)?.startTime !== startTime) return child;
      child.kill("SIGKILL");
      return undefined;
    });
    try {
      for (const file of ["pid", "claim"]) {
        const path = join(instance.directory, file);
        const line = readFileSync(path, "utf8").replace(/^\d+/, String(stranger.pid));
        writeFileSync(path, line);
      }
      const adopted = await supervisor.adopt(instance.directory);
      if (adopted.kind !== "ended") throw new Error(adopted.kind);
      expect(adopted.exit.lost).toBe(true);
      expect(await adopted.instance.stop({ graceMs: 0 })).toMatchObject({ signals: [] });
      expect(lives(stranger.pid ?? 0)).toBe(true);
    } finally {
      stranger.kill("SIGKILL");
    }
  });
});

describe("hazard 18", () => {
  it("a zombie is dead", async () => {
    // The shell does not wait for its child as long as it has become sleep.
    const parent = spawn("/bin/sh", ["-c", "sh -c 'echo $$; kill -STOP $$' & exec sleep 1000"], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    try {
      const [text] = await once(parent.stdout, "data");
      const pid = Number(text);
      const living = await eventually(() => {
        const stat = readProcessStat(pid);
        return stat?.state === "T" && stat;
      });
      expect(findLive(living)).toBeDefined();
      process.kill(pid, "SIGKILL");
      const zombie = await eventually(() => {
        const stat = readProcessStat(pid);
        return stat?.state === "Z" && stat;
      });
      expect(isLive(zombie)).toBe(false);
      expect(findLive(living)).toBeUndefined();
      expect(signalProcess(living, "SIGKILL")).toBe("GONE");
      process.kill(pid, 0); // which says nothing: it succeeds
    } finally {
      parent.kill("SIGKILL");
    }
  });

  it.runIf(isRoot)("a process that may not be signalled is alive", async () => {
    const program = `
      import { readProcessStat } from ${JSON.stringify(source("process-stat.ts"))};
      import { findLive } from ${JSON.stringify(source("identity.ts"))};
      import { signalProcess } from ${JSON.stringify(source("signal.ts"))};
      process.setgid(64999);
      process.setuid(64999);
      const stat = readProcessStat(Number(process.argv[1]));
      console.log(findLive(stat) !== undefined, signalProcess(stat, "SIGTERM"));
    `;
    const target = spawn("sleep", ["1000"]);
    try {
      const child = spawn(
        process.execPath,
        ["--input-type=module", "-e", program, String(target.pid)],
        { stdio: ["ignore", "pipe", "inherit"] },
      );
      const [text] = await once(child.stdout, "data");
      expect(String(text)).toBe("true REFUSED\n");
      expect(lives(target.pid ?? 0)).toBe(true);
    } finally {
      target.kill("SIGKILL");
    }
  });
});

describe("a server without descriptors", () => {
  it("takes nobody for dead", async () => {
    const program = `
      import { openSync } from "node:fs";
      import { readProcessStat } from ${JSON.stringify(source("process-stat.ts"))};
      import { findLive } from ${JSON.stringify(source("identity.ts"))};
      const stat = readProcessStat(process.ppid);
      const seen = [findLive(stat) !== undefined];
      try {
        for (;;) openSync("/dev/null");
      } catch {}
      try {
        seen.push(findLive(stat));
      } catch (error) {
        seen.push(error.code);
      }
      process.stderr.write(seen.join(" "));
    `;
    const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    const [text] = await once(child.stderr, "data");
    expect(String(text)).toBe("true EMFILE");
  });
});

function source(name: string): string {
  return new URL(`../../src/supervisor/${name}`, import.meta.url).href;
}
