import { toJson } from "@bufbuild/protobuf";
import { durationMs } from "@bufbuild/protobuf/wkt";
import { Command } from "commander";
import {
  Provider,
  type RuntimeClient,
  StopProof,
  type StopReceipt,
  type StopServicesResponse,
  StopServicesResponseSchema,
} from "../client/index.ts";
import { addConnectionOptions, type ConnectionOptions, withClient } from "./connection.ts";
import { ExitError, usageError } from "./exit-error.ts";
import { explainFailure } from "./explain-error.ts";
import { findService, LIVE_STATES, listServices } from "./find-service.ts";
import { writeLine } from "./terminal.ts";
import { nameOf } from "./words.ts";

/** `stop`: ends services with their process trees and shows the receipts. */
export function stopCommand(): Command {
  return addConnectionOptions(new Command("stop"))
    .description("stop services with all their processes, and say how that is known")
    .argument("[SERVICE...]", "ids or names")
    .option("--workspace <ID>", "all services of this workspace")
    .option("--all", "all services")
    .option("--force", "also those that a run leases; their leases end")
    .option("--json", "the answers of the API")
    .action(stop);
}

interface StopOptions extends ConnectionOptions {
  readonly workspace?: string;
  readonly all?: boolean;
  readonly force?: boolean;
  readonly json?: boolean;
}

async function stop(names: string[], options: StopOptions): Promise<void> {
  const ways = [names.length > 0, options.workspace !== undefined, options.all === true];
  if (ways.filter(Boolean).length !== 1) {
    throw usageError("Say what to stop: services by id or name, or --workspace ID, or --all.");
  }
  await withClient(options, async (client) => {
    const targets = await targetsOf(client, names, options);
    const answers = await Promise.all(
      targets.map((target) => client.stopServices({ target, force: options.force === true })),
    );
    await show(answers, options.json === true);
    if (answers.some(({ failures }) => failures.length > 0)) throw new ExitError("");
  });
}

type Target = { case: "serviceId" | "workspaceId"; value: string };

async function targetsOf(
  client: RuntimeClient,
  names: string[],
  options: StopOptions,
): Promise<Target[]> {
  if (options.workspace !== undefined) return [{ case: "workspaceId", value: options.workspace }];
  const services = options.all
    ? await listServices(client, { states: [...LIVE_STATES], providers: [Provider.LOCAL_PROCESS] })
    : await Promise.all(names.map((name) => findService(client, name)));
  return services.map(({ serviceId }) => ({ case: "serviceId", value: serviceId }));
}

async function show(answers: readonly StopServicesResponse[], json: boolean): Promise<void> {
  if (json) {
    const list = answers.map((answer) => toJson(StopServicesResponseSchema, answer));
    return writeLine(JSON.stringify(list, undefined, 2));
  }
  let lines = 0;
  for (const { services, stopped, failures } of answers) {
    for (const service of services) {
      const receipt = stopped.find(({ serviceId }) => serviceId === service.serviceId);
      await writeLine(`${service.serviceName}: ${receipt ? told(receipt) : "was not running"}`);
    }
    for (const failure of failures)
      await writeLine(explainFailure(failure).trimStart(), process.stderr);
    lines += services.length + failures.length;
  }
  if (lines === 0) await writeLine("Nothing to stop.");
}

/** "stopped in 0.12 s (SIGTERM; 3 processes; proven by cgroup)". */
export function told(receipt: StopReceipt): string {
  const { signals, processesEnded, proof, duration } = receipt;
  const seconds = ((duration === undefined ? 0 : durationMs(duration)) / 1000).toFixed(2);
  const processes = `${processesEnded} process${processesEnded === 1 ? "" : "es"}`;
  const facts = [signals.join(", "), processes, `proven by ${nameOf(StopProof, proof)}`];
  return `stopped in ${seconds} s (${facts.filter((fact) => fact !== "").join("; ")})`;
}
