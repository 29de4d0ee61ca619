import { describe, expect, it } from "vitest";
import { findCycle } from "./find-cycle.ts";
import { type Import, importsOf, readSource, typescriptFiles } from "./source-files.ts";

/** From the top down; a file imports from its own layer and from those below it. */
const layers: readonly (readonly string[])[] = [
  ["main", "cli"],
  ["app", "log-sources", "runtime-info"],
  ["server"],
  ["rpc"],
  ["runs"],
  ["project-workspaces", "workspaces", "services", "leases", "operations", "upkeep"],
  ["git", "supervisor", "store"],
  ["logs", "events"],
  ["templates", "environment", "config"],
  ["model", "errors", "clock", "logger", "private-file", "failpoints"],
];

/** What only some parts may import; `client` stands beside the layers. */
const reserved: readonly { what: RegExp; by: readonly string[] }[] = [
  // app.ts names the service that it serves.
  { what: /^gen\/(?!grpc\/health\/)/, by: ["app", "rpc", "server", "client", "cli"] },
  // A foreign protocol, which services speak: the grpc probe asks in it as the http probe does in HTTP.
  { what: /^gen\/grpc\/health\//, by: ["app", "rpc", "server", "client", "cli", "services"] },
  { what: /^(kysely|pg|node:sqlite)($|\/)/, by: ["store"] },
  { what: /^node:child_process$/, by: ["supervisor", "operations", "git", "cli"] },
  { what: /^commander$/, by: ["cli", "main"] },
  { what: /^src\/client\//, by: ["client", "cli"] },
];

const files = typescriptFiles("src");
const imports = files.flatMap((file) => importsOf(file));

/** "src/store/schema.ts" → "store", "src/clock.ts" → "clock". */
function partOf(path: string): string {
  return path.split("/")[1]?.replace(/\.ts$/, "") ?? "";
}

function layerOf(path: string): number {
  return layers.findIndex((parts) => parts.includes(partOf(path)));
}

function told(found: readonly Import[]): string[] {
  return found.map(({ from, to }) => `${from} imports ${to}`);
}

describe("architecture", () => {
  it("gives every part of src/ a layer", () => {
    expect(files.filter((file) => partOf(file) !== "client" && layerOf(file) < 0)).toEqual([]);
  });

  it("imports downward only", () => {
    const upward = imports.filter(
      ({ from, to }) =>
        to.startsWith("src/") &&
        partOf(from) !== "client" &&
        partOf(to) !== "client" &&
        layerOf(to) < layerOf(from),
    );
    expect(told(upward)).toEqual([]);
  });

  for (const { what, by } of reserved) {
    it(`leaves ${what.source} to ${by.join(", ")}`, () => {
      expect(
        told(imports.filter(({ from, to }) => what.test(to) && !by.includes(partOf(from)))),
      ).toEqual([]);
    });
  }

  it("publishes a client that knows nothing of the server", () => {
    const inward = imports.filter(
      ({ from, to }) =>
        partOf(from) === "client" && to.startsWith("src/") && partOf(to) !== "client",
    );
    expect(told(inward)).toEqual([]);
  });

  it("loads grpc-js for the client's own entry alone, and Connect's sockets for the other", () => {
    const of = (folder: RegExp, what: RegExp) =>
      imports.filter(({ from, to }) => folder.test(from) && what.test(to));
    expect(told(of(/^src\/client\/(?!grpc\/)/, /^@grpc\/|\/client\/grpc\//))).toEqual([]);
    expect(told(of(/^src\/client\/grpc\//, /^@connectrpc\/connect-node/))).toEqual([]);
  });

  it("has no cycle of imports between files, types aside", () => {
    const graph = new Map(files.map((file): [string, string[]] => [file, []]));
    for (const { from, to, typeOnly } of imports) {
      if (!typeOnly && graph.has(to)) graph.get(from)?.push(to);
    }
    expect(findCycle(graph)).toEqual([]);
  });

  it("uses only syntax that Node can strip", () => {
    const enums = /^\s*(export\s+)?(declare\s+)?(const\s+)?(enum|namespace|module)\s+[A-Za-z_]/m;
    expect(files.filter((file) => enums.test(readSource(file)))).toEqual([]);
  });

  it("keeps no state in modules", () => {
    expect(files.filter((file) => /^(export\s+)?(let|var)\s/m.test(readSource(file)))).toEqual([]);
  });
});

describe("the reading of imports", () => {
  const found = (source: string) => importsOf("src/a/b.ts", source).map(({ to }) => to);

  it("sees every form that reaches another file", () => {
    expect(found('import { a,\n  b } from "../c/d.ts";')).toEqual(["src/c/d.ts"]);
    expect(found('import type { A } from "./e.ts";')).toEqual(["src/a/e.ts"]);
    expect(found('export * from "../f.ts";')).toEqual(["src/f.ts"]);
    expect(found('import "node:net";')).toEqual(["node:net"]);
    expect(found('const x = await import("../g.ts");')).toEqual(["src/g.ts"]);
  });

  it("is not fooled by code between two imports", () => {
    expect(found('export const a = 1;\nconst from = "x";\nimport b from "pg";')).toEqual(["pg"]);
  });

  it("finds a cycle and names its files in order", () => {
    const graph = new Map([
      ["a", ["b"]],
      ["b", ["c", "d"]],
      ["c", []],
      ["d", ["b"]],
    ]);
    expect(findCycle(graph)).toEqual(["b", "d", "b"]);
  });
});
