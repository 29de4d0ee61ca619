import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import {
  type ExposeSchema,
  Lifecycle,
  type PortSpecSchema,
  type ProbeSchema,
  ScopeType,
  type ServiceSpec,
  ServiceSpecSchema,
  type StopPolicySchema,
} from "../../gen/workspace/runtime/v1/service_pb.ts";
import { type ConfigReader, kindOf } from "./config-reader.ts";

const LIFECYCLES = { shared: Lifecycle.SHARED, ephemeral: Lifecycle.EPHEMERAL };

const SCOPES = {
  project_workspace: ScopeType.PROJECT_WORKSPACE,
  execution_workspace: ScopeType.EXECUTION_WORKSPACE,
  run: ScopeType.RUN,
  agent: ScopeType.AGENT,
};

/** One entry of `workspaceRuntime.services`, or of `commands` with `kind: "service"`. */
export function readServiceSpec(config: ConfigReader): ServiceSpec {
  const command = config.text("command", { required: true });
  const port = readPort(config);
  const readiness = readReadiness(config.object("readiness"));
  const expose = readExpose(config.object("expose"));
  const stopPolicy = readStopPolicy(config.object("stopPolicy"));
  const lifecycle = config.choice("lifecycle", keysOf(LIFECYCLES));
  const scope = config.choice("reuseScope", keysOf(SCOPES));
  const spec = create(ServiceSpecSchema, {
    name: config.text("name") || "service",
    process: { case: "command", value: command },
    cwd: config.template("cwd"),
    env: config.templates("env"),
    ...(port && { port }),
    ...(readiness && { readiness }),
    ...(expose && { expose }),
    ...(stopPolicy && { stopPolicy }),
    lifecycle: lifecycle === undefined ? Lifecycle.UNSPECIFIED : LIFECYCLES[lifecycle],
    reuseScope: scope === undefined ? ScopeType.UNSPECIFIED : SCOPES[scope],
    // What these configurations were written for always did it.
    repairWorkspaceLinks: true,
  });
  // For people, and for lists of commands.
  config.text("description");
  config.text("id");
  config.raw("kind");
  config.finish();
  return spec;
}

/** `3100`, `{"type": "fixed", "value": 3100}` or `{"type": "auto"}`, with an optional `envKey`. */
function readPort(config: ConfigReader): MessageInitShape<typeof PortSpecSchema> | undefined {
  const found = config.raw("port");
  if (found === undefined) return undefined;
  if (typeof found === "number") {
    checkPort(config, "port", found);
    return { port: { case: "value", value: found } };
  }
  if (typeof found !== "object") {
    config.error("port", `must be a number or an object, not ${kindOf(found)}`);
    return undefined;
  }
  const port = config.object("port");
  if (port === undefined) return undefined;
  const value = port.raw("value");
  const type = port.choice("type", ["auto", "fixed"]) ?? (value === undefined ? "auto" : "fixed");
  const envKey = port.text("envKey");
  port.finish();
  if (type === "auto") {
    if (value !== undefined) port.error("value", "makes no sense with type auto");
    return { port: { case: "auto", value: {} }, envKey };
  }
  checkPort(port, "value", value);
  return { port: { case: "value", value: Number(value) }, envKey };
}

function checkPort(config: ConfigReader, key: string, value: unknown): void {
  if (typeof value !== "number" || !Number.isInteger(value) || value < 1 || value > 65535) {
    config.error(key, `must be a whole number from 1 to 65535, not ${JSON.stringify(value)}`);
  }
}

function readReadiness(
  config: ConfigReader | undefined,
): MessageInitShape<typeof ProbeSchema> | undefined {
  if (config === undefined) return undefined;
  checkType(config, "http");
  const urlTemplate = config.template("urlTemplate");
  const timeoutMs = config.span("timeoutSec", 1_000);
  const intervalMs = config.span("intervalMs", 1);
  config.finish();
  return {
    check: { case: "http", value: { urlTemplate } },
    ...(timeoutMs !== undefined && { timeout: durationFromMs(timeoutMs) }),
    ...(intervalMs !== undefined && { interval: durationFromMs(intervalMs) }),
  };
}

function readExpose(
  config: ConfigReader | undefined,
): MessageInitShape<typeof ExposeSchema> | undefined {
  if (config === undefined) return undefined;
  checkType(config, "url");
  const urlTemplate = config.template("urlTemplate");
  config.finish();
  return { urlTemplate };
}

function readStopPolicy(
  config: ConfigReader | undefined,
): MessageInitShape<typeof StopPolicySchema> | undefined {
  if (config === undefined) return undefined;
  const types = ["manual", "on_run_finish", "idle_timeout"] as const;
  const type = config.choice("type", types, { required: true });
  const idleMs = config.span("idleSeconds", 1_000);
  config.finish();
  if (type === "on_run_finish") return { policy: { case: "onRunFinish", value: {} } };
  if (type !== "idle_timeout") return { policy: { case: "manual", value: {} } };
  const idle = idleMs === undefined ? {} : { idle: durationFromMs(idleMs) };
  return { policy: { case: "idleTimeout", value: idle } };
}

/** There is one type so far; it may be left out. */
function checkType(config: ConfigReader, type: string): void {
  config.choice("type", [type]);
}

function keysOf<T extends object>(table: T): (keyof T & string)[] {
  return Object.keys(table) as (keyof T & string)[];
}
