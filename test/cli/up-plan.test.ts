import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseService, planUp } from "../../src/cli/up-plan.ts";

let directory: string;
beforeEach(() => {
  directory = realpathSync(mkdtempSync(join(tmpdir(), "up-plan-")));
});
afterEach(() => rmSync(directory, { recursive: true }));

const configure = (config: unknown) =>
  writeFileSync(join(directory, "workspace-runtime.json"), JSON.stringify(config));
const web = { workspaceRuntime: { services: [{ name: "web", command: "x" }] } };

describe("planUp", () => {
  it("works in the directory itself without an issue", () => {
    configure({ ...web, workspaceStrategy: { type: "git_worktree" } });
    const { realize, services } = planUp(directory, {});
    expect(realize).toMatchObject({ baseCwd: directory, strategy: { case: "projectPrimary" } });
    expect(services.map(({ name }) => name)).toEqual(["web"]);
  });

  it("makes a worktree for an issue, as the configuration says", () => {
    mkdirSync(join(directory, ".git"));
    configure({ ...web, workspaceStrategy: { type: "git_worktree", baseRef: "next" } });
    expect(planUp(directory, { issue: "A-1", title: "T" }).realize).toMatchObject({
      issue: { issueId: "A-1", identifier: "A-1", title: "T" },
      strategy: { case: "gitWorktree", value: { baseRef: "next" } },
    });
  });

  it("takes named services instead of the configuration's", () => {
    configure(web);
    const { services, adHoc } = planUp(directory, { service: ["a=1", "b=2"] });
    expect(services.map(({ name }) => name)).toEqual(["a", "b"]);
    expect([...adHoc]).toEqual(["a", "b"]);
  });

  it("hands on warnings with their path", () => {
    configure({ ...web, colour: "red" });
    expect(planUp(directory, {}).warnings).toEqual(["workspace-runtime.json: colour is not known"]);
  });

  it.each([
    ["there is nothing to start", undefined, {}, /Nothing to start.*--service/],
    ["the configuration has no services", {}, {}, /no services in .*workspace-runtime.json/],
    ["the configuration is wrong", { desiredState: 1 }, {}, /desiredState 1 is none of/],
    ["an issue has no repository", web, { issue: "A" }, /no git repository.*git init/],
    ["a title has no issue", web, { title: "T" }, /--issue/],
    ["a service has no command", undefined, { service: ["web"] }, /not NAME=COMMAND/],
  ])("says what to do when %s", (_, config, options, says) => {
    if (config !== undefined) configure(config);
    expect(() => planUp(directory, options)).toThrow(says);
  });
});

describe("parseService", () => {
  it("splits at the first equals sign only", () => {
    const spec = parseService("web=A=1 npm run dev");
    expect(spec.name).toBe("web");
    expect(spec.process).toEqual({ case: "command", value: "A=1 npm run dev" });
  });
});
