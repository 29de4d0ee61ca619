import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { eventually } from "../support/eventually.ts";
import { createHouse, fixture, type House, lives, shimOf, writersOf } from "./support.ts";

describe("the end of a process and of its output", () => {
  let house: House;
  beforeEach(async () => {
    house = createHouse();
    await house.supervisor();
  });
  afterEach(() => house.close());

  it("tells the code", async () => {
    const instance = await house.start("exit 3");
    expect(await instance.exited).toMatchObject({ code: 3, lost: false });
    const { exitTime } = await instance.exited;
    expect(Math.abs(exitTime - Date.now())).toBeLessThan(2000);
  });

  it("tells the signal, also where a shell passed it on as a status", async () => {
    const killed = await house.start("exec sleep 1000");
    process.kill(killed.pid, "SIGKILL");
    expect(await killed.exited).toMatchObject({ signal: "SIGKILL", lost: false });
    const passedOn = await house.start('sh -c "kill -TERM \\$\\$"; exit $?');
    expect(await passedOn.exited).toMatchObject({ signal: "SIGTERM" });
    const plain = await house.start("exit 250");
    expect(await plain.exited).toMatchObject({ code: 250 });
  });

  it("is known while a grandchild keeps the output, whose end comes later", async () => {
    const instance = await house.start("setsid sleep 1000 & exit 4");
    expect(await instance.exited).toMatchObject({ code: 4 });
    let ended = false;
    void instance.drained.then(() => {
      ended = true;
    });
    expect(ended).toBe(false);
    const outcome = await instance.stop();
    expect(outcome).toMatchObject({ proven: true, processesEnded: 1 });
    await instance.drained;
  });

  it("keeps every line up to the end of output", async () => {
    const instance = await house.start([process.execPath, fixture("chatter.mjs"), "20000"]);
    await instance.drained;
    const lines = house.log().split("\n");
    expect(lines.length).toBe(20001);
    expect(lines[19_999]).toMatch(/^20000\./);
  });

  it("is lost when shim and process die together, and the output ends with its writers", async () => {
    await house.supervisor({ sweepMs: 20 });
    const instance = await house.start("exec sleep 1000");
    process.kill(shimOf(instance), "SIGKILL");
    process.kill(instance.pid, "SIGKILL");
    const exit = await instance.exited;
    expect(exit).toMatchObject({ lost: true });
    expect(exit.code ?? exit.signal).toBeUndefined();
    await instance.drained;
    expect(await instance.stop()).toMatchObject({ proven: true });
  });

  it("goes on with service and log when the shim alone is killed, and has no exit then", async () => {
    await house.supervisor({ sweepMs: 20 });
    const go = join(house.directory, "go");
    const instance = await house.start(`while ! [ -e ${go} ]; do sleep 0.01; done; echo last`);
    process.kill(shimOf(instance), "SIGKILL");
    await eventually(() => !lives(shimOf(instance)));
    expect(lives(instance.pid)).toBe(true);
    writeFileSync(go, "");
    expect(await instance.exited).toMatchObject({ lost: true });
    await instance.drained;
    expect(house.log()).toBe("last\n");
  });

  it("cuts the output off from what a finished stop could not end", async () => {
    await house.supervisor({ sweepMs: 20 });
    const instance = await house.start("exec sleep 1000");
    const [writer] = writersOf(instance);
    expect(writer).toBeDefined();
    await eventually(() => writersOf(instance).length === 4); // no tool of the shim's start left
    // A writer that hangs: the tree is gone, and `drained` does not come by itself.
    for (const pid of writersOf(instance)) process.kill(pid, "SIGSTOP");
    void instance.stop({ graceMs: 0 });
    await instance.exited;
    await instance.drained;
    expect(writersOf(instance)).toEqual([]);
  });
});
