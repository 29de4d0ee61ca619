import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { loadToken } from "../../src/server/token.ts";
import { temporaryDirectory } from "./support.ts";

describe("the token", () => {
  it("is made once, for its owner alone, and found again", async () => {
    const directory = temporaryDirectory();
    const token = await loadToken(directory);
    expect(token).toMatch(/^[\w-]{43}$/);
    expect(statSync(`${directory}/token`).mode & 0o777).toBe(0o600);
    expect(readFileSync(`${directory}/token`, "utf8")).toBe(`${token}\n`);
    expect(await loadToken(directory)).toBe(token);
    expect(await loadToken(temporaryDirectory())).not.toBe(token);
  });

  it("is one for all who start at once, with nothing left lying about", async () => {
    const directory = temporaryDirectory();
    const tokens = await Promise.all(Array.from({ length: 20 }, () => loadToken(directory)));
    expect(new Set(tokens).size).toBe(1);
    expect(readdirSync(directory)).toEqual(["token"]);
  });

  it("of a person's own is taken as it is, and closed to others", async () => {
    const directory = temporaryDirectory();
    writeFileSync(`${directory}/token`, "chosen\n", { mode: 0o644 });
    expect(await loadToken(directory)).toBe("chosen");
    expect(statSync(`${directory}/token`).mode & 0o777).toBe(0o600);
  });

  it("is never empty", async () => {
    const directory = temporaryDirectory();
    writeFileSync(`${directory}/token`, " \n");
    await expect(loadToken(directory)).rejects.toThrow("is empty");
  });
});
