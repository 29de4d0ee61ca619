import { describe, expect, it } from "vitest";
import { type PackageLink, planLinks } from "../../../src/services/link-repair/plan-links.ts";

const link = (over: Partial<PackageLink>): PackageLink => ({
  name: "@shop/db",
  path: "/tree/server/node_modules/@shop/db",
  wanted: "/tree/packages/db",
  kind: "link",
  leadsTo: "/tree/packages/db",
  ...over,
});

describe("the plan of link repairs", () => {
  it("leaves what leads into this tree, and repairs what leads elsewhere or nowhere", () => {
    expect(planLinks([link({})])).toEqual({ repairs: [], warnings: [] });
    expect(planLinks([link({ leadsTo: "/main/packages/db" })]).repairs).toEqual([
      {
        name: "@shop/db",
        path: "/tree/server/node_modules/@shop/db",
        was: "/main/packages/db",
        is: "/tree/packages/db",
      },
    ]);
  });

  it.each([
    ["a directory", { kind: "other" }, "is no link"],
    ["what is not installed", { kind: "missing" }, "not installed"],
    ["what lies in another checkout", { kind: "foreign", leadsTo: "/main" }, "it lies in /main"],
    ["a package that this tree has not", { wanted: undefined }, "no package of this workspace"],
  ] as const)("only warns of %s", (_, over, warning) => {
    const { repairs, warnings } = planLinks([link({ leadsTo: "/elsewhere", ...over })]);
    expect(repairs).toEqual([]);
    expect(warnings).toEqual([expect.stringContaining(warning)]);
  });
});
