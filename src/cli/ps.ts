import { toJson } from "@bufbuild/protobuf";
import { Command } from "commander";
import { type Service, ServiceSchema } from "../client/index.ts";
import { addConnectionOptions, type ConnectionOptions, withClient } from "./connection.ts";
import { LIVE_STATES, listServices } from "./find-service.ts";
import { table } from "./table.ts";
import { writeLine } from "./terminal.ts";
import { age, shortPath, stateOf } from "./words.ts";

/** `ps`: the services. */
export function psCommand(): Command {
  return addConnectionOptions(new Command("ps"))
    .description("list services: states, processes, URLs")
    .option("-a, --all", "those that have ended too")
    .option("--workspace <ID>", "only this workspace's")
    .option("--json", "as the API has them")
    .action(ps);
}

interface PsOptions extends ConnectionOptions {
  readonly all?: boolean;
  readonly workspace?: string;
  readonly json?: boolean;
}

async function ps(options: PsOptions): Promise<void> {
  const services = await withClient(options, (client) =>
    listServices(client, {
      states: options.all ? [] : [...LIVE_STATES],
      workspaceIds: options.workspace === undefined ? [] : [options.workspace],
    }),
  );
  if (options.json) {
    const list = services.map((service) => toJson(ServiceSchema, service));
    await writeLine(JSON.stringify({ services: list }, undefined, 2));
  } else if (services.length > 0) {
    await writeLine(
      table(["NAME", "STATE", "PID", "URL", "UP", "DIRECTORY", "ID"], services.map(row)),
    );
  } else {
    await writeLine(
      options.all ? "No services." : "No services are running; --all lists those that have ended.",
    );
  }
}

function row(service: Service): string[] {
  const up = service.providerRef === "" ? "" : age(service.startTime);
  const port = service.port === undefined ? "" : `port ${service.port}`;
  return [
    service.serviceName,
    stateOf(service),
    service.providerRef,
    service.url || port,
    up,
    shortPath(service.cwd),
    service.serviceId,
  ];
}
