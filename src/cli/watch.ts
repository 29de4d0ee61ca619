import { toJson } from "@bufbuild/protobuf";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { Command, InvalidArgumentError } from "commander";
import { type Change, ChangeSchema, ResourceKind, watchStatus } from "../client/index.ts";
import { describeChange, idOf, timeOfChange } from "./change-words.ts";
import { addConnectionOptions, type ConnectionOptions, withClient } from "./connection.ts";
import { styled, writeLine } from "./terminal.ts";

/** `watch`: what there is, then what changes, a line each, over restarts of the server. */
export function watchCommand(): Command {
  return addConnectionOptions(new Command("watch"))
    .description("show what there is, then every change of it, one line each, until Ctrl-C")
    .option("--company <ID>", "only this company's")
    .option("--workspace <ID>", "only what belongs to this workspace (repeatable)", collect)
    .option("--service <ID>", "only this service, its leases and operations (repeatable)", collect)
    .option("--run <ID>", "only this run's leases, operations and services (repeatable)", collect)
    .option(`--kind <KIND>`, `only ${Object.keys(KINDS).join(", ")} (repeatable)`, collectKind)
    .option("--changes", "leave out what there is already")
    .option("--json", "one line of JSON for each change, as the API has it")
    .action(watch);
}

interface WatchOptions extends ConnectionOptions {
  readonly company?: string;
  readonly workspace?: readonly string[];
  readonly service?: readonly string[];
  readonly run?: readonly string[];
  readonly kind?: readonly ResourceKind[];
  readonly changes?: boolean;
  readonly json?: boolean;
}

const KINDS: Readonly<Record<string, ResourceKind>> = {
  service: ResourceKind.SERVICE,
  workspace: ResourceKind.WORKSPACE,
  operation: ResourceKind.OPERATION,
  lease: ResourceKind.LEASE,
  "project-workspace": ResourceKind.PROJECT_WORKSPACE,
};

async function watch(options: WatchOptions): Promise<void> {
  const request = {
    companyId: options.company ?? "",
    workspaceIds: [...(options.workspace ?? [])],
    serviceIds: [...(options.service ?? [])],
    runIds: [...(options.run ?? [])],
    kinds: [...(options.kind ?? [])],
    // A state that passes quickly is what people look for.
    noFold: true,
  };
  // What was last said of each thing: a snapshot after a lost connection repeats only what is new.
  const said = new Map<string, string>();
  await withClient(options, async (client) => {
    const updates = watchStatus(client, request, {
      onRetry: (error) => void note(`connection lost (${error.rawMessage}), trying again`),
    });
    let inFirstSnapshot = true;
    for await (const { changes, snapshotComplete } of updates) {
      for (const change of changes) {
        const line = describeChange(change);
        const isNew = said.get(idOf(change)) !== line;
        said.set(idOf(change), line);
        const isWanted = !(inFirstSnapshot && options.changes);
        if (isNew && isWanted) await writeLine(options.json ? asJson(change) : told(change, line));
      }
      if (snapshotComplete) inFirstSnapshot = false;
    }
  });
}

function told(change: Change, line: string): string {
  const time = timeOfChange(change);
  const clock = (time === undefined ? new Date() : timestampDate(time)).toTimeString().slice(0, 8);
  return `${styled("dim", clock)}  ${line}`;
}

function asJson(change: Change): string {
  return JSON.stringify(toJson(ChangeSchema, change));
}

function note(text: string): Promise<void> {
  return writeLine(styled("dim", `[${text}]`, process.stderr), process.stderr);
}

function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}

function collectKind(value: string, before: readonly ResourceKind[] = []): readonly ResourceKind[] {
  const kind = KINDS[value];
  if (kind !== undefined) return [...before, kind];
  throw new InvalidArgumentError(`It must be one of ${Object.keys(KINDS).join(", ")}.`);
}
