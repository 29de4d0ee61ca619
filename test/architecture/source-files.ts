import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";

export const repository = join(import.meta.dirname, "../..");

/** One import as written: `from` is the importing file, both paths relative to the repository. */
export interface Import {
  readonly from: string;
  /** The imported file ("src/clock.ts"), or the package as named ("pg", "node:net"). */
  readonly to: string;
  readonly typeOnly: boolean;
}

/** All TypeScript files below a folder of the repository, as paths relative to it, sorted. */
export function typescriptFiles(folder: string): string[] {
  return readdirSync(join(repository, folder), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts"))
    .map((path) => join(folder, path))
    .sort();
}

export function readSource(file: string): string {
  return readFileSync(join(repository, file), "utf8");
}

// `import … from "x"`, `export … from "x"`; `import "x"`; `await import("x")`, or `import("x").Name` as a type.
const FROM = /^\s*(?:import|export)\s+(type\s)?[^"';]*?\bfrom\s*["']([^"']+)["']/gm;
const BARE = /^\s*import\s*["']([^"']+)["']/gm;
const INLINE = /(await\s+)?\bimport\(\s*["']([^"']+)["']\s*\)/g;

export function importsOf(file: string, source = readSource(file)): Import[] {
  const to = (specifier: string) =>
    specifier.startsWith(".") ? normalize(join(dirname(file), specifier)) : specifier;
  const found: Import[] = [];
  for (const [, type, name] of source.matchAll(FROM)) {
    found.push({ from: file, to: to(name ?? ""), typeOnly: type !== undefined });
  }
  for (const [, name] of source.matchAll(BARE)) {
    found.push({ from: file, to: to(name ?? ""), typeOnly: false });
  }
  for (const [, awaited, name] of source.matchAll(INLINE)) {
    found.push({ from: file, to: to(name ?? ""), typeOnly: awaited === undefined });
  }
  return found;
}
