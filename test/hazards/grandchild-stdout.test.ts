import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createHouse, type House } from "../supervisor/support.ts";
import { eventually } from "../support/eventually.ts";

describe("hazard 21: output that others hold or open again", () => {
  let house: House;
  beforeEach(async () => {
    house = createHouse();
    await house.supervisor();
  });
  afterEach(() => house.close());

  it("a grandchild that keeps stdout open delays neither start, nor exit, nor stop", async () => {
    const instance = await house.start(
      "setsid sh -c 'while :; do echo late; sleep 0.05; done' & exit 3",
    );
    const exit = await instance.exited;
    expect(exit).toMatchObject({ code: 3 });
    expect(exit.exitTime - instance.startTime).toBeLessThan(5000);
    const outcome = await instance.stop();
    expect(outcome).toMatchObject({ proven: true, escalated: false });
    await instance.drained;
    const size = house.log().length;
    const next = await house.start("echo next");
    await next.drained;
    expect(house.log().slice(size)).toBe("next\n");
  });

  it("opening /dev/stdout and /dev/stderr, truncating, loses no line", async () => {
    const instance = await house.start(`
      n=0
      while [ $n -lt 200 ]; do
        n=$((n + 1))
        echo "out $n"
        echo "again $n" >/dev/stdout
        echo "err $n" >/dev/stderr
      done`);
    await instance.drained;
    const numbers = (text: string, word: string) =>
      text
        .split("\n")
        .filter((line) => line.startsWith(`${word} `))
        .map((line) => Number(line.slice(word.length + 1)));
    const all = Array.from({ length: 200 }, (_, n) => n + 1);
    expect(numbers(house.log(), "out")).toEqual(all);
    expect(numbers(house.log(), "again")).toEqual(all);
    expect(numbers(house.log("stderr"), "err")).toEqual(all);
  });

  it("a service that closes its output goes on", async () => {
    const instance = await house.start("echo bye; exec >&- 2>&-; sleep 1000");
    await eventually(() => house.log().includes("bye"));
    expect((await instance.members()).length).toBeGreaterThan(0);
    expect(await instance.stop({ graceMs: 0 })).toMatchObject({ proven: true });
    await instance.drained;
  });
});
