import { spawn } from "node:child_process";
import { once } from "node:events";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { createFailpoints, FAILPOINTS, FailpointError } from "../src/failpoints.ts";
import { readSource, typescriptFiles } from "./architecture/source-files.ts";

describe("failpoints", () => {
  it("do nothing unless armed", async () => {
    for (const points of [createFailpoints(), createFailpoints(" ; ")]) {
      for (const name of FAILPOINTS) await points.hit(name);
    }
  });

  it("throw at every hit, or at the first few", async () => {
    const points = createFailpoints("realize.leased=error(2); realize.fetched=error");
    await expect(points.hit("realize.leased")).rejects.toThrow(FailpointError);
    await expect(points.hit("realize.leased")).rejects.toThrow("failpoint realize.leased");
    await points.hit("realize.leased");
    for (let hit = 0; hit < 5; hit += 1) {
      await expect(points.hit("realize.fetched")).rejects.toThrow(FailpointError);
    }
    await points.hit("realize.excluded");
  });

  it("wait for the time given", async () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const points = createFailpoints("realize.leased=delay(30,1)");
    const passed = vi.fn();
    const hit = points.hit("realize.leased").then(passed);
    await vi.advanceTimersByTimeAsync(29);
    expect(passed).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    await hit;
    await points.hit("realize.leased");
  });

  it.each([
    ["kill", 1],
    ["kill(3)", 3],
  ])("%s ends the process at hit %d, and nothing happens after it", async (action, hits) => {
    const program = `
      import { createFailpoints } from ${JSON.stringify(new URL("../src/failpoints.ts", import.meta.url).href)};
      const points = createFailpoints("realize.leased=${action}");
      for (let hit = 1; hit < 9; hit += 1) {
        console.log(hit);
        await points.hit("realize.leased");
      }`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", program]);
    let output = "";
    child.stdout.on("data", (chunk) => {
      output += chunk;
    });
    const [, signal] = await once(child, "close");
    expect(signal).toBe("SIGKILL");
    expect(output.trim().split("\n")).toHaveLength(hits);
  });

  it.each([
    ["realize.nowhere=kill", /names no failpoint/],
    ["realize.leased", /is not <point>=<action>/],
    ["realize.leased=explode", /is not <point>=<action>/],
    ["realize.leased=delay", /wrong number of arguments/],
    ["realize.leased=kill(1,2)", /wrong number of arguments/],
    ["realize.leased=error(x)", /is not <point>=<action>/],
  ])("say at once that %s means nothing", (text, message) => {
    expect(() => createFailpoints(text)).toThrow(message);
  });

  it("are each hit at one place", () => {
    const sources = typescriptFiles("src").map(readSource).join("\n");
    const hits = FAILPOINTS.map((name) => [name, sources.split(`hit("${name}")`).length - 1]);
    expect(hits).toEqual(FAILPOINTS.map((name) => [name, 1]));
  });
});
