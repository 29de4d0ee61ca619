import { describe, expect, it } from "vitest";
import { createIntents } from "../../src/services/intents.ts";

describe("what calls say is wanted", () => {
  it("counts until a later call about the same says otherwise", () => {
    const intents = createIntents();
    const start = intents.declare("w1", []);
    expect(start.isLatest("")).toBe(true);
    const stop = intents.declare("w1", []);
    expect([start.isLatest(""), stop.isLatest("")]).toEqual([false, true]);
    intents.declare("w2", []);
    expect(stop.isLatest("")).toBe(true);
  });

  it("of a name is overtaken by the same name and by the whole, and overtakes neither other names nor the whole", () => {
    const intents = createIntents();
    const whole = intents.declare("w1", []);
    const both = intents.declare("w1", ["web", "worker"]);
    const web = intents.declare("w1", ["web"]);
    expect([both.isLatest("web"), both.isLatest("worker"), web.isLatest("web")]).toEqual([
      false,
      true,
      true,
    ]);
    expect(whole.isLatest("")).toBe(true);
    intents.declare("w1", []);
    expect([both.isLatest("worker"), web.isLatest("web")]).toEqual([false, false]);
  });
});
