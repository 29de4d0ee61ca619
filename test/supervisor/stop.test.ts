import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { detectPlatform } from "../../src/supervisor/platform.ts";
import type { Instance } from "../../src/supervisor/supervisor.ts";
import { eventually } from "../support/eventually.ts";
import { createHouse, fixture, type House, lives, PROOFS, processesOf } from "./support.ts";

// Where a stronger proof cannot be had, the host's strongest stands in.
describe.each(PROOFS)("stopping with at most %s", (strongestProof) => {
  let house: House;
  let proof: string;
  beforeEach(async () => {
    house = createHouse();
    const { cgroup, subreaper } = (await house.supervisor({ strongestProof })).capabilities();
    proof = cgroup ? "CGROUP" : subreaper ? "SUBREAPER" : "SCAN";
  });
  afterEach(() => house.close());

  const ready = (instance: Instance, text = "up") =>
    eventually(() => house.log().includes(text) && instance);

  it("ends a plain process at once", async () => {
    const instance = await house.start("exec sleep 1000");
    const outcome = await instance.stop();
    expect(outcome).toMatchObject({
      proven: true,
      proof,
      signals: ["SIGTERM", "SIGCONT"],
      escalated: false,
      processesEnded: 1,
      survivors: [],
      portsFree: true,
    });
    expect(outcome.durationMs).toBeLessThan(5000);
    expect(await instance.exited).toMatchObject({ signal: "SIGTERM" });
    await instance.drained;
    expect(await instance.members()).toEqual([]);
  });

  it("proves at once that nothing is left of what ended by itself", async () => {
    const instance = await house.start("exit 0");
    await instance.exited;
    const outcome = await instance.stop();
    expect(outcome).toMatchObject({ proven: true, proof, signals: [], processesEnded: 0 });
    expect(outcome.durationMs).toBeLessThan(5000);
  });

  it("kills at once without grace", async () => {
    const instance = await house.start('trap "" TERM; echo up; while :; do sleep 1; done');
    await ready(instance);
    const outcome = await instance.stop({ graceMs: 0 });
    expect(outcome).toMatchObject({ proven: true, signals: ["SIGKILL"], escalated: false });
  });

  it("kills what is left after the grace", async () => {
    const instance = await house.start('trap "" TERM; echo up; while :; do sleep 1; done');
    await ready(instance);
    const outcome = await instance.stop({ graceMs: 100 });
    expect(outcome).toMatchObject({
      proven: true,
      proof,
      signals: ["SIGTERM", "SIGCONT", "SIGKILL"],
      escalated: true,
    });
    expect(outcome.durationMs).toBeGreaterThanOrEqual(100);
    expect(await instance.exited).toMatchObject({ signal: "SIGKILL" });
  });

  it("waits out the clean-up of a process that takes its time", async () => {
    const instance = await house.start(
      'trap "sleep 0.2; echo clean; exit 0" TERM; echo up; while :; do sleep 0.01; done',
    );
    await ready(instance);
    expect(await instance.stop()).toMatchObject({ proven: true, escalated: false });
    expect(await instance.exited).toMatchObject({ code: 0 });
    await instance.drained;
    expect(house.log()).toContain("clean");
  });

  it("joins a stop under way, and a shorter grace brings it to its end", async () => {
    const instance = await house.start('trap "" TERM; echo up; while :; do sleep 1; done');
    await ready(instance);
    const patient = instance.stop({ graceMs: 60_000 });
    const hasty = instance.stop({ graceMs: 50 });
    expect(await patient).toBe(await hasty);
    expect((await hasty).escalated).toBe(true);
    expect(await instance.stop()).toMatchObject({ proven: true });
  });

  it("sends the signal asked for, which no shell has made deaf", async () => {
    const instance = await house.start(
      `trap "echo got INT; exit 5" INT; sh -c 'trap "" INT; echo up; exec sleep 1000' & wait`,
    );
    await ready(instance);
    expect(await instance.stop({ signal: "SIGINT" })).toMatchObject({
      proven: true,
      // What a shell puts in the background is deaf to INT, as this is.
      signals: ["SIGINT", "SIGCONT", "SIGTERM"],
    });
    expect(await instance.exited).toMatchObject({ code: 5 });
    const other = await house.start("exec sleep 1000");
    await expect(other.stop({ signal: "SIGNOTHING" })).rejects.toMatchObject({
      reason: "INVALID_FIELD",
    });
    expect(await other.stop({ signal: "SIGQUIT" })).toMatchObject({ proven: true });
    expect(await other.exited).toMatchObject({ signal: "SIGQUIT" });
  });

  it("reaches a stopped process with a handler", async () => {
    const instance = await house.start('trap "exit 6" TERM; echo up; while :; do sleep 0.01; done');
    await ready(instance);
    process.kill(-instance.pid, "SIGSTOP");
    expect(await instance.stop()).toMatchObject({ proven: true, escalated: false });
    expect(await instance.exited).toMatchObject({ code: 6 });
  });

  it("ends what the main process left behind", async () => {
    const instance = await house.start(
      "sleep 1000 & setsid sleep 1000 & env -i setsid sleep 1000 & exit 0",
    );
    await instance.exited;
    const outcome = await instance.stop();
    expect(outcome).toMatchObject({ proven: true, proof, survivors: [] });
    await instance.drained;
    await eventually(() => processesOf(house.installationId).length === 0);
  });

  it("names its members while it runs", async () => {
    const instance = await house.start("setsid sleep 1000 & sleep 1000");
    const members = await eventually(async () => {
      const found = await instance.members();
      return found.filter(({ command }) => command === "sleep 1000").length === 2 && found;
    });
    expect(members.map(({ pid }) => pid)).toContain(instance.pid);
    await instance.stop({ graceMs: 0 });
  });

  it("leaves other instances alone", async () => {
    const one = await house.start("setsid sleep 1000 & sleep 1000");
    const other = await house.start("setsid sleep 1000 & sleep 1000");
    await eventually(async () => (await other.members()).length >= 3);
    expect(await one.stop({ graceMs: 0 })).toMatchObject({ proven: true });
    expect((await other.members()).length).toBe(3);
  });

  it("waits for the ports, but not for another's listener", async () => {
    const instance = await house.start([process.execPath, fixture("listen.mjs")]);
    const port = Number(await eventually(() => /^\d+$/m.exec(house.log())?.[0]));
    expect(await instance.listener(port)).toBe("OWN");
    expect(await instance.listener(1)).toBe("NONE");
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const ours = (server.address() as { port: number }).port;
    expect(await instance.listener(ours)).toBe("FOREIGN");
    const outcome = await instance.stop({ ports: [port, ours] });
    expect(outcome).toMatchObject({ proven: true, portsFree: true });
    server.close();
  });

  it("ends 30 trees together about as fast as one", async () => {
    const instances = await Promise.all(
      Array.from({ length: 30 }, () => house.start("setsid sleep 1000 & sleep 1000")),
    );
    const outcomes = await Promise.all(instances.map((instance) => instance.stop()));
    expect(outcomes.every(({ proven }) => proven)).toBe(true);
    expect(Math.max(...outcomes.map(({ durationMs }) => durationMs))).toBeLessThan(5000);
  });
});

describe("a port that an unknown process took later", () => {
  it("keeps a stop from being proven, and is named", async () => {
    const house = createHouse();
    try {
      await house.supervisor();
      const instance = await house.start("exec sleep 1000");
      const late = spawn(process.execPath, [fixture("listen.mjs")], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      const [text] = await once(late.stdout, "data");
      const stopping = instance.stop({ graceMs: 0, ports: [Number(text)] });
      expect(await instance.exited).toMatchObject({ signal: "SIGKILL" });
      const outcome = await stopping;
      expect(outcome).toMatchObject({ proven: false, portsFree: false });
      expect(outcome.survivors.map(({ pid }) => pid)).toEqual([late.pid]);
      late.kill("SIGKILL");
      await once(late, "exit");
      expect(await instance.stop()).toMatchObject({ proven: true });
    } finally {
      await house.close();
    }
  });
});

describe("a platform without /proc", () => {
  it("ends the group, knows the exit, and takes nothing over", async () => {
    const house = createHouse();
    try {
      const platform = { ...detectPlatform(), proc: false, bootId: "", pidNamespace: "" };
      const supervisor = await house.supervisor({ platform });
      expect(supervisor.capabilities()).toEqual({
        cgroup: false,
        subreaper: false,
        adoption: false,
        limits: { memory: false, cpu: false, pids: false },
      });
      const instance = await house.start("sleep 1000 & sleep 1000");
      expect(await supervisor.adopt(instance.directory)).toMatchObject({ kind: "foreign" });
      expect(await instance.stop()).toMatchObject({
        proven: true,
        signals: ["SIGTERM", "SIGCONT"],
      });
      expect(await instance.exited).toMatchObject({ signal: "SIGTERM" });
      await instance.drained;
      expect(lives(instance.pid)).toBe(false);
      const pid = readFileSync(join(instance.directory, "pid"), "utf8");
      expect(pid).toContain(String(instance.pid));
      expect(await supervisor.adopt(instance.directory)).toMatchObject({ kind: "ended" });
    } finally {
      await house.close();
    }
  });
});
