import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ServiceSpec, ServiceSpecSchema } from "../../gen/workspace/runtime/v1/service_pb.ts";
import type { TestServer } from "./server.ts";

export type SpecInit = Exclude<MessageInitShape<typeof ServiceSpecSchema>, ServiceSpec>;

/** A directory and the workspace that a server realized on it. */
export interface TestWorkspace {
  readonly workspaceId: string;
  readonly cwd: string;
  remove(): void;
}

export async function realizePrimary(
  { client }: Pick<TestServer, "client">,
  ids: { readonly companyId?: string; readonly projectId?: string } = {},
): Promise<TestWorkspace> {
  const cwd = mkdtempSync(join(tmpdir(), "wsrt-project-"));
  const { workspace } = await client.realizeWorkspace({
    companyId: ids.companyId ?? "company",
    projectId: ids.projectId ?? "",
    baseCwd: cwd,
    agent: { agentId: "agent", name: "Agent" },
  });
  if (workspace === undefined) throw new Error("no workspace in the answer");
  return {
    workspaceId: workspace.workspaceId,
    cwd,
    remove: () => rmSync(cwd, { recursive: true, force: true }),
  };
}

/** A service that runs a shell line. */
export function shellService(name: string, command: string, more: SpecInit = {}): SpecInit {
  return { name, process: { case: "command", value: command }, ...more };
}

/** A service that runs a program of test/fixtures/processes ("answer.mjs 503") with a port of its own. */
export function fixtureService(name: string, program: string, more: SpecInit = {}): SpecInit {
  const [file = "", ...args] = program.split(" ");
  const path = new URL(`../fixtures/processes/${file}`, import.meta.url).pathname;
  const command = ["exec", `'${process.execPath}'`, `'${path}'`, ...args].join(" ");
  return shellService(name, command, { port: { port: { case: "auto", value: {} } }, ...more });
}

/** A small HTTP server on its PORT that says when it listens. */
export function httpService(name: string, more: SpecInit = {}): SpecInit {
  const program =
    "require('http').createServer((q, s) => s.end('hello')).listen(process.env.PORT, '127.0.0.1', () => console.log('listening ' + Date.now()))";
  return shellService(name, `exec '${process.execPath}' -e "${program}"`, {
    port: { port: { case: "auto", value: {} } },
    expose: { urlTemplate: "http://127.0.0.1:{{port}}/" },
    ...more,
  });
}

/** Is there a process of this number that is not a zombie? */
export function isAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const state = stat.charAt(stat.lastIndexOf(")") + 2);
    return state !== "Z" && state !== "X";
  } catch {
    return false;
  }
}
