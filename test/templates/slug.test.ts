import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { slug } from "../../src/templates/slug.ts";

const issue = (title: string, identifier = "", issueId = "issue-1") => ({
  issueId,
  identifier,
  title,
});

describe("slug", () => {
  it.each([
    ["Fix the Login Form", "fix-the-login-form"],
    ["  there should be a setting; `rm -rf` ", "there-should-be-a-setting-rm-rf"],
    ["a -- b", "a-b"],
    ["__snake_case__", "snake_case"],
    ["../../etc/passwd", "etc-passwd"],
    ["line\nbreak\ttab", "line-break-tab"],
  ])("makes %j into %j", (title, expected) => {
    expect(slug(issue(title), "w")).toBe(expected);
  });

  it("falls back to the identifier, then to the issue id", () => {
    expect(slug(issue("日本語", "ABC-7"), "w")).toBe("abc-7");
    expect(slug(issue("", "ерунда", "Issue 9"), "w")).toBe("issue-9");
  });

  it("without an issue is a short hash of the workspace id", () => {
    expect(slug(undefined, "workspace-1")).toMatch(/^run-[0-9a-f]{8}$/);
    expect(slug(undefined, "workspace-1")).not.toBe(slug(undefined, "workspace-2"));
  });

  it("differs for two issues that leave nothing", () => {
    const one = slug(issue("日本語", "", "課題一"), "w");
    const two = slug(issue("日本語", "", "課題二"), "w");
    expect(one).toMatch(/^paperclip-work-[0-9a-f]{8}$/);
    expect(one).not.toBe(two);
  });

  it("is never empty and never more than [a-z0-9_-]", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.string(), (title, id) => {
        expect(slug(issue(title, "", id), "w")).toMatch(/^[a-z0-9]([a-z0-9_-]*[a-z0-9])?$/);
      }),
    );
  });
});
