import { toJson } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { Command } from "commander";
import { type CollectGarbageResponse, CollectGarbageResponseSchema } from "../client/index.ts";
import { parseSpan } from "../config.ts";
import { addConnectionOptions, type ConnectionOptions, withClient } from "./connection.ts";
import { ExitError } from "./exit-error.ts";
import { writeLine } from "./terminal.ts";

/** `gc`: removes what is old. The server does the same once a day. */
export function gcCommand(): Command {
  return addConnectionOptions(new Command("gc"))
    .description("remove old services and operations with their logs, and what has lost its row")
    .option("--dry-run", "count, and remove nothing")
    .option("--company <ID>", "only this company's")
    .option("--service-age <AGE>", "services that ended so long ago: 7d, 12h, 30m, 0s (default 7d)")
    .option("--operation-age <AGE>", "operations that ended so long ago (default 30d)")
    .option("--rescue-age <AGE>", "also rescued work that old (default: it stays for ever)")
    .option("--json", "the answer of the API")
    .action(gc);
}

interface GcOptions extends ConnectionOptions {
  readonly dryRun?: boolean;
  readonly company?: string;
  readonly serviceAge?: string;
  readonly operationAge?: string;
  readonly rescueAge?: string;
  readonly json?: boolean;
}

async function gc(options: GcOptions): Promise<void> {
  const request = {
    dryRun: options.dryRun === true,
    companyId: options.company ?? "",
    ...age("serviceAge", "service-age", options.serviceAge),
    ...age("operationAge", "operation-age", options.operationAge),
    ...age("rescueAge", "rescue-age", options.rescueAge),
  };
  const answer = await withClient(options, (client) => client.collectGarbage(request));
  if (options.json) {
    await writeLine(JSON.stringify(toJson(CollectGarbageResponseSchema, answer), undefined, 2));
  } else {
    await show(answer, request.dryRun);
  }
  if (answer.warnings.length > 0) throw new ExitError("");
}

function age(name: string, flag: string, text: string | undefined) {
  return text === undefined ? {} : { [name]: durationFromMs(parseSpan(flag, text)) };
}

async function show(answer: CollectGarbageResponse, isDryRun: boolean): Promise<void> {
  const { services, operations, rescues, instances, logFiles, logBytes, warnings } = answer;
  const what = [
    told(services, "service"),
    told(operations, "operation"),
    told(rescues, "rescue"),
    told(instances, "instance"),
    `${told(logFiles, "log file")} (${(Number(logBytes) / 1e6).toFixed(1)} MB)`,
  ];
  await writeLine(`${isDryRun ? "Would remove" : "Removed"} ${what.join(", ")}.`);
  for (const warning of warnings) await writeLine(`Warning: ${warning}`, process.stderr);
}

function told(count: bigint, what: string): string {
  return `${count} ${what}${count === 1n ? "" : "s"}`;
}
