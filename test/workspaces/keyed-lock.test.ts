import { describe, expect, it } from "vitest";
import { createKeyedLock } from "../../src/workspaces/keyed-lock.ts";

describe("createKeyedLock", () => {
  it("lets callers of one key in by turns, and those of others at once", async () => {
    const lock = createKeyedLock();
    const order: string[] = [];
    const first = Promise.withResolvers<void>();
    const one = lock.run("a", async () => {
      order.push("one");
      await first.promise;
      order.push("one over");
    });
    const two = lock.run("a", async () => void order.push("two"));
    await lock.run("b", async () => void order.push("other"));
    first.resolve();
    await Promise.all([one, two]);
    expect(order).toEqual(["one", "other", "one over", "two"]);
  });

  it("goes on after a failure, and counts every turn", async () => {
    const lock = createKeyedLock();
    const failing = lock.run("a", async () => {
      throw new Error("no");
    });
    await expect(failing).rejects.toThrow("no");
    expect(await lock.run("a", async () => 7)).toBe(7);
    expect(lock.turns).toBe(2);
  });
});
