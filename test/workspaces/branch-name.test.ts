import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isRuntimeError } from "../../src/errors.ts";
import {
  checkBranchName,
  cleanBranchName,
  renderBranchName,
} from "../../src/workspaces/branch-name.ts";
import { createRepository, inspector, temporaryDirectory } from "../git/fixture.ts";

const issue = { issueId: "issue-1", identifier: "PAP-12", title: "Fix the Login Form" };
const variables = { workspaceId: "w-1", projectId: "p-1", repoRef: "main", issue };

const render = (template: string, title = issue.title, issueId = "issue-1") =>
  renderBranchName(template, { ...variables, issue: { issueId, identifier: "PAP-12", title } });

describe("renderBranchName", () => {
  it("is the identifier and the slug by default", () => {
    expect(render("")).toBe("PAP-12-fix-the-login-form");
  });

  it("gives a plain slug of a title full of a shell's characters", () => {
    expect(render("", "there should be a setting; `rm -rf`")).toBe(
      "PAP-12-there-should-be-a-setting-rm-rf",
    );
  });

  it("keeps the slashes and dots of the template", () => {
    expect(render("release/{{issue.identifier}}.{{slug}}")).toBe(
      "release/PAP-12.fix-the-login-form",
    );
  });

  it("knows the other variables", () => {
    const agent = { agentId: "a-1", name: "Ada L" };
    const template =
      "{{agent.id}}/{{agent.name}}/{{project.id}}/{{workspace.repoRef}}/{{issue.id}}";
    expect(renderBranchName(template, { ...variables, agent })).toBe("a-1/Ada-L/p-1/main/issue-1");
  });

  it("refuses an unknown variable with the template's path", () => {
    expect(() => render("{{issue.titel}}")).toThrow(
      expect.objectContaining({
        reason: "INVALID_TEMPLATE",
        violations: [
          { field: "git_worktree.branch_template", description: expect.stringContaining("titel") },
        ],
      }),
    );
  });

  it("cuts a title of 10,000 characters", () => {
    expect(render("", "a".repeat(10_000))).toHaveLength(120);
    expect(render("", "ab ".repeat(5_000))).toMatch(/[a-z]$/);
  });

  it.each(["{{issue.title}}", "feature/{{issue.title}}", "{{slug}}-{{issue.title}}"])(
    "keeps two issues apart whose titles are all in another script: %s",
    (template) => {
      const one = render(template, "ログイン", "issue-1");
      const two = render(template, "ログイン", "issue-2");
      expect(one).toMatch(/paperclip-work-[0-9a-f]{8}$/);
      expect(one).not.toBe(two);
    },
  );

  it("falls back to the workspace without an issue", () => {
    const { issue: _, ...without } = variables;
    expect(renderBranchName("", without)).toMatch(/^run-[0-9a-f]{8}$/);
    expect(renderBranchName("{{issue.title}}", without)).toMatch(/^paperclip-work-[0-9a-f]{8}$/);
  });
});

describe("cleanBranchName", () => {
  it.each([
    ["  a b  ", "a-b"],
    ["-rf", "rf"],
    ["/a//b/", "a//b"],
    ["a@{1}b", "a-1-b"],
    ["..", ""],
    ["a\nb\0c\x1b[0m", "a-b-c-0m"],
  ])("makes %j into %j", (text, expected) => {
    expect(cleanBranchName(text)).toBe(expected);
  });
});

describe("checkBranchName", () => {
  it.each(["a..b", "a.lock", "a//b", "a/.b", "a.lock/b", "HEAD"])("refuses %j", async (branch) => {
    const root = createRepository(temporaryDirectory());
    await expect(checkBranchName(inspector(), root, branch)).rejects.toMatchObject({
      reason: "INVALID_BRANCH_NAME",
      violations: [{ field: "git_worktree.branch_template" }],
    });
  });

  it("passes or refuses whatever a title holds, never anything else", async () => {
    const root = createRepository(temporaryDirectory());
    const text = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.stringMatching(/^[./@{}~^:\\ \-a.lock]{0,12}$/),
    );
    const templates = fc.constantFrom("", "{{issue.title}}", "x/{{issue.title}}");
    await fc.assert(
      fc.asyncProperty(text, templates, async (title, template) => {
        try {
          const branch = render(template, title);
          await checkBranchName(inspector(), root, branch);
          expect(branch).not.toMatch(/(^|\/)\.\.?(\/|$)|^[-/]/);
        } catch (error) {
          if (!isRuntimeError(error, "INVALID_BRANCH_NAME")) throw error;
        }
      }),
      { numRuns: 40 },
    );
  });
});
