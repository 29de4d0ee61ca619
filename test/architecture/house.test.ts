import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readSource, repository } from "./source-files.ts";

// Written in pieces, so that this file does not find itself.
const registries = ["registry\\.np" + "mjs", "registry\\.yarn" + "pkg", "npm\\.pkg\\.git" + "hub"];
const machines = ["/wo" + "rk/", "/ro" + "ot/"];

function trackedFiles(): string[] {
  const listed = execFileSync("git", ["ls-files", "-z"], { cwd: repository, encoding: "utf8" });
  // In a working tree a tracked file may just have been deleted.
  return listed.split("\0").filter((file) => file !== "" && existsSync(join(repository, file)));
}

/** "path:line" of each line that matches. */
function linesWith(pattern: RegExp, files = trackedFiles()): string[] {
  return files.flatMap((file) =>
    readSource(file)
      .split("\n")
      .flatMap((line, index) =>
        pattern.test(line) ? [`${file}:${index + 1}: ${line.trim()}`] : [],
      ),
  );
}

describe("the repository", () => {
  it("names no package registry", () => {
    expect(linesWith(new RegExp(registries.join("|")))).toEqual([]);
  });

  it("names no path of one machine", () => {
    expect(linesWith(new RegExp(`(^|[\\s"'\`=(])(${machines.join("|")})`))).toEqual([]);
  });

  it("has a lock file that says what, never from where", () => {
    expect(linesWith(/"resolved"/, ["package-lock.json"])).toEqual([]);
  });

  it("leaves out and favours no test", () => {
    const tests = trackedFiles().filter((file) => file.endsWith(".test.ts"));
    expect(linesWith(/\b(it|test|describe)\.(only|skip|todo|fails)\b/, tests)).toEqual([]);
  });

  it("keeps every text file's last line ended", () => {
    const unended = trackedFiles().filter((file) => {
      const text = readSource(file);
      return text !== "" && !text.includes("\0") && !text.endsWith("\n");
    });
    expect(unended).toEqual([]);
  });
});
