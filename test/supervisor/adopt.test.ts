import { randomUUID } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { InstanceRecord } from "../../src/supervisor/instance-directory.ts";
import type { Instance, Supervisor } from "../../src/supervisor/supervisor.ts";
import { eventually } from "../support/eventually.ts";
import { createHouse, type House, lives, processesOf, shimOf } from "./support.ts";

describe("adopting what an earlier server left", () => {
  let house: House;
  let first: Supervisor;
  beforeEach(async () => {
    house = createHouse();
    first = await house.supervisor({ sweepMs: 20 });
  });
  afterEach(() => house.close());

  async function nextServer(): Promise<Supervisor> {
    await first.close();
    return house.supervisor({ sweepMs: 20 });
  }

  function rewrite(instance: Instance, change: Partial<InstanceRecord>): void {
    const path = join(instance.directory, "instance.json");
    writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, "utf8")), ...change }));
  }

  it("takes over a living process with its log, its exit and its end", async () => {
    const go = join(house.directory, "go");
    const instance = await house.start(
      `echo one; while ! [ -e ${go} ]; do sleep 0.01; done; echo two; exit 9`,
      { env: { PATH: process.env.PATH ?? "", SECRET: "s" } },
    );
    const second = await nextServer();
    const adopted = await second.adopt(instance.directory);
    if (adopted.kind !== "living") throw new Error(adopted.kind);
    expect(adopted.instance).toMatchObject({
      instanceId: instance.instanceId,
      pid: instance.pid,
      identity: instance.identity,
      startTime: instance.startTime,
    });
    expect(await adopted.instance.environment()).toMatchObject({ SECRET: "s" });
    writeFileSync(go, "");
    expect(await adopted.instance.exited).toMatchObject({ code: 9, lost: false });
    await adopted.instance.drained;
    expect(house.log()).toBe("one\ntwo\n");
  });

  it("stops what it took over", async () => {
    const instance = await house.start("setsid sleep 1000 & sleep 1000");
    const adopted = await (await nextServer()).adopt(instance.directory);
    if (adopted.kind !== "living") throw new Error(adopted.kind);
    expect(await adopted.instance.stop()).toMatchObject({ proven: true, survivors: [] });
    expect(await adopted.instance.exited).toMatchObject({ signal: "SIGTERM" });
    await eventually(() => processesOf(house.installationId).length === 0);
  });

  it("knows the exit of the time when no server ran, and ends what was left", async () => {
    const instance = await house.start("setsid sleep 1000 & exec sleep 1000");
    await eventually(async () => (await instance.members()).length === 2);
    await first.close();
    process.kill(instance.pid, "SIGINT");
    await eventually(() => !lives(instance.pid));
    const adopted = await (await house.supervisor()).adopt(instance.directory);
    if (adopted.kind !== "ended") throw new Error(adopted.kind);
    expect(adopted.exit).toMatchObject({ signal: "SIGINT", lost: false });
    expect(await adopted.instance.stop()).toMatchObject({ proven: true, processesEnded: 1 });
    await adopted.instance.drained;
  });

  it("says that the exit is lost when shim and process died meanwhile", async () => {
    const instance = await house.start("exec sleep 1000");
    await first.close();
    process.kill(shimOf(instance), "SIGKILL");
    process.kill(instance.pid, "SIGKILL");
    await eventually(() => processesOf(house.installationId).length === 0);
    const adopted = await (await house.supervisor()).adopt(instance.directory);
    expect(adopted).toMatchObject({ kind: "ended", exit: { lost: true } });
  });

  it("takes over a process whose shim was killed", async () => {
    const instance = await house.start("exec sleep 1000");
    await first.close();
    process.kill(shimOf(instance), "SIGKILL");
    const adopted = await (await house.supervisor({ sweepMs: 20 })).adopt(instance.directory);
    if (adopted.kind !== "living") throw new Error(adopted.kind);
    expect(await adopted.instance.stop()).toMatchObject({ proven: true, processesEnded: 1 });
    expect(await adopted.instance.exited).toMatchObject({ lost: true });
    await adopted.instance.drained;
  });

  it("makes sure that what had not begun never begins", async () => {
    const second = await nextServer();
    const bare = house.directoryOf("bare");
    mkdirSync(bare, { recursive: true });
    expect(await second.adopt(bare)).toEqual({ kind: "never-started" });
    expect(await second.adopt(bare)).toEqual({ kind: "never-started" });

    // A shim that was killed between its claim and the start.
    const instance = await house.start("exec sleep 1000");
    await instance.stop({ graceMs: 0 });
    rmSync(join(instance.directory, "pid"));
    writeFileSync(join(instance.directory, "exit"), `${" ".repeat(31)}\n`);
    await eventually(() => processesOf(house.installationId).length === 0);
    expect(await second.adopt(instance.directory)).toEqual({ kind: "never-started" });
    expect(readFileSync(join(instance.directory, "pid"), "utf8")).toBe("server\n");
  });

  it("never touches another installation's, another container's, or an earlier boot's", async () => {
    const instance = await house.start("exec sleep 1000");
    const second = await nextServer();
    const record = JSON.parse(readFileSync(join(instance.directory, "instance.json"), "utf8"));

    rewrite(instance, { installationId: randomUUID() });
    expect(await second.adopt(instance.directory)).toMatchObject({ kind: "foreign" });
    rewrite(instance, { ...record, pidNamespace: "pid:[1]" });
    expect(await second.adopt(instance.directory)).toMatchObject({ kind: "foreign" });
    rewrite(instance, { ...record, bootId: randomUUID() });
    const past = await second.adopt(instance.directory);
    if (past.kind !== "ended") throw new Error(past.kind);
    expect(past.exit.lost).toBe(true);
    expect(await past.instance.stop({ graceMs: 0 })).toMatchObject({ proven: true, signals: [] });
    expect(lives(instance.pid)).toBe(true);
  });

  it("does not believe a number that another process has now", async () => {
    const instance = await house.start("exec sleep 1000");
    const other = await house.start("exec sleep 1000");
    const second = await nextServer();
    process.kill(instance.pid, "SIGKILL");
    process.kill(shimOf(instance), "SIGKILL");
    await eventually(() => !lives(instance.pid));
    writeFileSync(join(instance.directory, "exit"), `${" ".repeat(31)}\n`);
    for (const [file, pid] of [
      ["pid", other.pid],
      ["claim", shimOf(other)],
    ] as const) {
      const path = join(instance.directory, file);
      writeFileSync(path, readFileSync(path, "utf8").replace(/^\d+/, String(pid)));
    }
    const adopted = await second.adopt(instance.directory);
    if (adopted.kind !== "ended") throw new Error(adopted.kind);
    expect(adopted.exit.lost).toBe(true);
    expect(await adopted.instance.stop({ graceMs: 0 })).toMatchObject({ signals: [] });
    expect(lives(other.pid) && lives(shimOf(other))).toBe(true);
  });
});
