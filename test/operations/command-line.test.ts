import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { commandLine } from "../../src/operations/command-line.ts";

describe("commandLine", () => {
  it("quotes only what a shell would read otherwise", () => {
    const args = ["git", "worktree", "add", "-b", "PAP-1-fix", "/tmp/with blank", "origin/main"];
    expect(commandLine(args)).toBe("git worktree add -b PAP-1-fix '/tmp/with blank' origin/main");
    expect(commandLine(["a'b", "", "$HOME"])).toBe(`'a'\\''b' '' '$HOME'`);
  });

  it("is read back by a shell as the same arguments", () => {
    const argument = fc.string({ unit: "binary", minLength: 1 }).filter((text) => {
      return !text.includes("\0") && !/\p{Surrogate}/u.test(text);
    });
    fc.assert(
      fc.property(fc.array(argument, { minLength: 1, maxLength: 3 }), (args) => {
        const script = `printf '%s\\0' ${commandLine(args)}`;
        const output = execFileSync("/bin/sh", ["-c", script], { encoding: "utf8" });
        expect(output.split("\0").slice(0, -1)).toEqual(args);
      }),
      { numRuns: 50 },
    );
  });
});
