import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { WorkspaceRuntime } from "../../gen/workspace/runtime/v1/workspace_runtime_pb.ts";
import packageFacts from "../../package.json" with { type: "json" };
import { settings } from "../../src/config.ts";
import { readSource, repository } from "./source-files.ts";

const documents = [
  "README.md",
  "CONTRIBUTING.md",
  "SECURITY.md",
  ...[
    "api",
    "architecture",
    "decisions",
    "dependencies",
    "operations",
    "performance",
    "reliability",
  ].map((name) => `docs/${name}.md`),
];
const readme = readSource("README.md");

describe("the documents", () => {
  it("link to files that are there", () => {
    const broken = documents.flatMap((document) =>
      [...readSource(document).matchAll(/\]\((?!https?:|#)([^)#]+)/g)]
        .map(([, target]) => join(dirname(document), target ?? ""))
        .filter((target) => !existsSync(join(repository, target)))
        .map((target) => `${document} links to ${target}`),
    );
    expect(broken).toEqual([]);
  });

  it("name npm scripts that exist", () => {
    const known = new Set(Object.keys(packageFacts.scripts));
    const unknown = documents.flatMap((document) =>
      [...readSource(document).matchAll(/\bnpm run ([a-z][a-z:]*)/g)]
        .map(([, script]) => script ?? "")
        .filter((script) => !known.has(script))
        .map((script) => `${document}: npm run ${script}`),
    );
    expect(unknown).toEqual([]);
  });

  it("list every setting of the server in the README", () => {
    expect(settings.filter(({ flag }) => !readme.includes(`--${flag}`))).toEqual([]);
  });

  it("name every method of the contract in the README", () => {
    const names = WorkspaceRuntime.methods.map(({ name }) => name);
    expect(names.filter((name) => !readme.includes(name))).toEqual([]);
  });

  it("give the reason for every dependency", () => {
    const { dependencies, devDependencies } = packageFacts;
    const reasons = readSource("docs/dependencies.md");
    const without = Object.keys({ ...dependencies, ...devDependencies }).filter(
      (name) => !reasons.includes(`\`${name}\``),
    );
    expect(without).toEqual([]);
  });
});
