import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { repairWorkspaceLinks } from "../../../src/services/link-repair/repair-links.ts";
import { packageGlobs } from "../../../src/services/link-repair/workspace-tree.ts";
import { git, temporaryDirectory } from "../../git/fixture.ts";
import { createPnpmWorkspace, linkPackage, writeJson } from "./fixture.ts";

function start() {
  const directory = temporaryDirectory();
  const trees = createPnpmWorkspace(directory);
  const logFile = join(directory, "stderr.log");
  const repair = async (cwd: string) => {
    await repairWorkspaceLinks(cwd, logFile);
    return existsSync(logFile) ? readFileSync(logFile, "utf8").split("\n").slice(0, -1) : [];
  };
  return { directory, ...trees, logFile, repair };
}

describe("the repair of workspace links", () => {
  it("leads the links of server and of the package that owns the cwd into this tree", async () => {
    const { main, tree, repair, logFile } = start();
    const server = linkPackage(join(tree, "server"), "@shop/db", join(main, "packages/db"));
    const ui = linkPackage(join(tree, "packages/ui"), "db", join(main, "packages/db"));
    mkdirSync(join(tree, "packages/ui/src"));
    const [was, is] = [join(main, "packages/db"), join(tree, "packages/db")];
    const lines = [`[runtime] db: ${was} -> ${is}`, `[runtime] @shop/db: ${was} -> ${is}`];
    expect(await repair(join(tree, "packages/ui/src"))).toEqual(lines);
    expect([server, ui].map((path) => realpathSync(path))).toEqual([is, is]);
    expect(readlinkSync(server)).toBe("../../../packages/db");
    expect(statSync(logFile).mode & 0o777).toBe(0o600);
    expect(readdirSync(join(tree, "server/node_modules/@shop"))).toEqual(["db"]);
    // Once repaired there is nothing to tell.
    expect(await repair(join(tree, "packages/ui/src"))).toEqual(lines);
  });

  it("repairs a link that leads nowhere", async () => {
    const { directory, tree, repair } = start();
    const path = linkPackage(join(tree, "server"), "@shop/db", join(directory, "gone"));
    expect(await repair(tree)).toEqual([
      `[runtime] @shop/db: ${join(directory, "gone")} -> ${join(tree, "packages/db")}`,
    ]);
    expect(realpathSync(path)).toBe(join(tree, "packages/db"));
  });

  it("touches nothing in a main checkout, outside of a workspace, or where there is nothing", async () => {
    const { directory, main, tree, repair } = start();
    linkPackage(join(main, "server"), "@shop/db", join(tree, "packages/db"));
    expect(await repair(main)).toEqual([]);
    expect(await repair(directory)).toEqual([]);
    expect(await repair(join(directory, "nowhere"))).toEqual([]);
    expect(await repair(tree)).toEqual([]);
    git(tree, "rm", "--quiet", "pnpm-workspace.yaml");
    expect(await repair(tree)).toEqual([]);
  });

  it("never replaces a directory, and never reaches into another checkout", async () => {
    const { main, tree, repair } = start();
    const real = join(tree, "server/node_modules/@shop/db");
    mkdirSync(real, { recursive: true });
    linkPackage(join(main, "packages/ui"), "db", join(main, "packages/db"));
    symlinkSync(join(main, "packages/ui/node_modules"), join(tree, "packages/ui/node_modules"));
    expect(await repair(join(tree, "packages/ui"))).toEqual([
      `[runtime] warning: db: not touched, it lies in ${join(main, "packages/ui/node_modules")}`,
      `[runtime] warning: @shop/db: not touched, ${real} is no link`,
    ]);
    expect(lstatSync(real).isDirectory()).toBe(true);
    expect(realpathSync(join(main, "packages/ui/node_modules/db"))).toBe(join(main, "packages/db"));
  });

  it("warns of what it cannot repair, and goes on", async () => {
    const { main, tree, repair } = start();
    const dependencies = {
      "@shop/db": "workspace:*",
      "@shop/old": "workspace:*",
      "../escape": "workspace:*",
      absent: "workspace:*",
      near: "workspace:../packages/db",
      out: "workspace:../../main/packages/db",
    };
    writeJson(join(tree, "server/package.json"), { dependencies });
    for (const name of ["@shop/db", "@shop/old", "near", "out"]) {
      linkPackage(join(tree, "server"), name, join(main, "packages/db"));
    }
    const moved = `${join(main, "packages/db")} -> ${join(tree, "packages/db")}`;
    expect((await repair(tree)).sort()).toEqual([
      `[runtime] @shop/db: ${moved}`,
      `[runtime] near: ${moved}`,
      "[runtime] warning: @shop/old: no package of this workspace",
      "[runtime] warning: absent: no package of this workspace",
      "[runtime] warning: out: no package of this workspace",
    ]);
  });

  it("starts all the same where the files cannot be read", async () => {
    const { tree, repair } = start();
    mkdirSync(join(tree, "server/node_modules"));
    writeFileSync(join(tree, "server/package.json"), "{");
    writeFileSync(join(tree, "pnpm-workspace.yaml"), 'packages: ["packages/*", "server"]');
    expect(await repair(tree)).toEqual([
      expect.stringContaining(`[runtime] warning: ${join(tree, "server/package.json")}`),
    ]);
    writeFileSync(join(tree, "pnpm-workspace.yaml"), "packages: [");
    expect((await repair(tree))[1]).toMatch(/^\[runtime\] warning: links not looked at: /);
  });

  it("fails only where it could not tell what it did", async () => {
    const { main, tree, directory } = start();
    linkPackage(join(tree, "server"), "@shop/db", join(main, "packages/db"));
    await expect(
      repairWorkspaceLinks(tree, join(directory, "no", "such", "log")),
    ).rejects.toMatchObject({ reason: "LINK_REPAIR_FAILED" });
  });
});

it("reads the globs of pnpm-workspace.yaml in every form that YAML has", () => {
  expect(packageGlobs("packages:\n- a/*\n- \"b\" # c\n- '!d'\ncatalog:\n  x: 1\n")).toEqual([
    "a/*",
    "b",
    "!d",
  ]);
  expect(packageGlobs("packages: [a, 'b/**']")).toEqual(["a", "b/**"]);
  expect(packageGlobs("packages:\n  - 1\n  - ''\n")).toEqual([]);
  expect(packageGlobs("packages: [/**, ../*, '!../*', a/../.., ..a]")).toEqual(["..a"]);
  expect(packageGlobs("onlyBuiltDependencies: []")).toEqual(["**"]);
  expect(packageGlobs("")).toEqual(["**"]);
});
