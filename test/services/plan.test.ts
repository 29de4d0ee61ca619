import { describe, expect, it } from "vitest";
import { isRuntimeError } from "../../src/errors.ts";
import type { ServiceSpec } from "../../src/model/service-spec.ts";
import { mayJoin } from "../../src/services/identity.ts";
import {
  type PlanContext,
  planService,
  serviceUrl,
  serviceVariables,
} from "../../src/services/plan.ts";
import { workspaceRecord } from "../support/records.ts";

const workspace = workspaceRecord({
  workspaceId: "w1",
  cwd: "/x/project",
  branchName: "P-1-slug",
  issue: { issueId: "i1", identifier: "P-1", title: "Title" },
});
const context: PlanContext = {
  workspace,
  runId: "r1",
  agent: { agentId: "a1", name: "Ann" },
  issue: { issueId: "i1", identifier: "P-1", title: "Title" },
  adapterEnv: {},
  defaultStopPolicy: { kind: "manual" },
  identityKey: "key",
};
const web: ServiceSpec = { name: "web", process: { kind: "command", command: "run" } };
const plan = (spec: ServiceSpec, over: Partial<PlanContext> = {}) =>
  planService(spec, { ...context, ...over }, "services[0]");

describe("a service's plan", () => {
  it("renders cwd, env and URLs with the workspace, the issue, the agent and the ports", () => {
    const planned = plan({
      ...web,
      cwd: "app/{{workspace.branchName}}",
      env: { A: "{{issue.identifier}} {{agent.name}} {{port}} {{ports.admin}}", B: "${x}" },
      port: { port: "auto" },
      extraPorts: { admin: { port: 9001 } },
      expose: { urlTemplate: "http://127.0.0.1:{{port}}/" },
    });
    const ports = { "": 4000, admin: 9001 };
    expect(planned.cwd).toBe("/x/project/app/P-1-slug");
    expect(serviceVariables(planned, ports)).toEqual({
      A: "P-1 Ann 4000 9001",
      B: "${x}",
      PORT: "4000",
      PORT_ADMIN: "9001",
    });
    expect(serviceUrl(planned, ports)).toBe("http://127.0.0.1:4000/");
  });

  it.each([
    ["an unknown name", { env: { A: "{{porrt}}" } }, 'services[0].env["A"]'],
    ["a port that it does not have", { env: { A: "{{port}}" } }, 'services[0].env["A"]'],
    ["an extra port that it does not have", { cwd: "{{ports.x}}" }, "services[0].cwd"],
    ["the whole environment", { env: { A: "{{workspace.env}}" } }, 'services[0].env["A"]'],
  ] as const)("refuses %s with the path of the template", (_, part, field) => {
    expect(() => plan({ ...web, ...part })).toThrow(
      expect.toSatisfy(
        (error: unknown) =>
          isRuntimeError(error, "INVALID_TEMPLATE") && error.violations[0]?.field === field,
      ),
    );
  });

  it("is shared in the project by default and known again by what it is", () => {
    const one = plan(web);
    expect(one.scope).toEqual({ type: "PROJECT_WORKSPACE", id: "pw1" });
    expect(plan(web, { runId: "r2" }).identity).toEqual(one.identity);
    expect(plan({ ...web, env: { A: "1" } }).identity.base).not.toBe(one.identity.base);
    expect(plan({ ...web, port: { port: 4000 } }).identity.base).not.toBe(one.identity.base);
    expect(plan(web, { workspace: { ...workspace, companyId: "other" } }).identity.base).not.toBe(
      one.identity.base,
    );
  });

  it("sees of the adapter's variables only what it lists or names, unless its scope is its own", () => {
    const adapterEnv = { TOKEN: "t", OTHER: "o" };
    const shared = plan({ ...web, env: { A: "{{workspace.env.TOKEN}}" } }, { adapterEnv });
    expect(serviceVariables(shared, {})).toEqual({ TOKEN: "t", A: "t" });
    const own = plan({ ...web, reuseScope: "RUN" }, { adapterEnv });
    expect(serviceVariables(own, {})).toEqual(adapterEnv);
    expect(plan(web, { adapterEnv }).identity.adapter).toBe("");
  });

  it("is never joined by a run with other secrets, but by every run when it sees none", () => {
    const spec = { ...web, adapterEnvKeys: ["TOKEN"] };
    const a = plan(spec, { adapterEnv: { TOKEN: "a" } }).identity;
    const b = plan(spec, { adapterEnv: { TOKEN: "b" } }).identity;
    const none = plan(spec).identity;
    expect(a.base).toBe(b.base);
    expect([mayJoin(b, a, false), mayJoin(b, none, false), mayJoin(none, a, false)]).toEqual([
      false,
      true,
      false,
    ]);
    expect(mayJoin(none, a, true)).toBe(true);
    expect(JSON.stringify(a)).not.toContain('"a"');
  });

  it("belongs to its run, workspace and name alone when it is ephemeral", () => {
    const one = plan({ ...web, lifecycle: "EPHEMERAL" }).identity;
    const changed = plan({ ...web, lifecycle: "EPHEMERAL", env: { A: "1" } }).identity;
    expect(changed.base).toBe(one.base);
    expect(changed.adapter).not.toBe(one.adapter);
    expect(plan({ ...web, lifecycle: "EPHEMERAL" }, { runId: "r2" }).identity.base).not.toBe(
      one.base,
    );
  });
});
