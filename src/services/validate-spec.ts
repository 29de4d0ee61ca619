import { type FieldViolation, RuntimeError } from "../errors.ts";
import type { PortSpec, ServiceSpec } from "../model/service-spec.ts";
import { checkDependencies } from "./dependencies.ts";
import { nameOf } from "./service-name.ts";
import { probeMistakes } from "./validate-probe.ts";

/**
 * Refuses specs that could never work, all mistakes of a call at once.
 * @param field the proto path of the list: `services`
 * @throws RuntimeError INVALID_FIELD with a violation each; DEPENDENCY_CYCLE
 */
export function validateSpecs(specs: readonly ServiceSpec[], field: string): void {
  const violations: FieldViolation[] = [];
  const seen = new Set<string>();
  for (const [index, spec] of specs.entries()) {
    const path = `${field}[${index}]`;
    const name = nameOf(spec);
    if (seen.has(name)) {
      violations.push({
        field: `${path}.name`,
        description: `"${name}" is named twice in one call`,
      });
    }
    seen.add(name);
    violations.push(...violationsOf(spec, path));
  }
  if (violations.length > 0) {
    const first = violations[0] as FieldViolation;
    throw new RuntimeError("INVALID_FIELD", `${first.field}: ${first.description}`, { violations });
  }
  checkDependencies(specs, field);
}

export const VARIABLE_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Signals that a stop may begin with. */
export const STOP_SIGNALS: readonly string[] = [
  "SIGTERM",
  "SIGINT",
  "SIGQUIT",
  "SIGHUP",
  "SIGUSR1",
  "SIGUSR2",
  "SIGKILL",
];

function violationsOf(spec: ServiceSpec, path: string): FieldViolation[] {
  const found: FieldViolation[] = [];
  const refuse = (field: string, description: string) =>
    found.push({ field: `${path}.${field}`, description });

  if (!/^[^\p{Cc}]{0,200}$/u.test(spec.name ?? "")) {
    refuse("name", "must be at most 200 characters without control characters");
  }
  const process = spec.process;
  if (process === undefined) {
    refuse("command", "a command or argv is required: say what to run");
  } else if (process.kind === "command") {
    if (process.command.trim() === "") refuse("command", "must not be empty: say what to run");
    if (process.command.includes("\0")) refuse("command", "must not hold a NUL character");
  } else {
    if ((process.args[0] ?? "") === "") refuse("argv.args[0]", "must name the program to run");
    if (process.args.some((arg) => arg.includes("\0"))) {
      refuse("argv.args", "must not hold a NUL character");
    }
  }
  for (const [key, value] of Object.entries(spec.env ?? {})) {
    if (!VARIABLE_NAME.test(key)) refuse(`env["${key}"]`, NAME_RULE);
    if (value.includes("\0")) refuse(`env["${key}"]`, "must not hold a NUL character");
  }
  for (const { field, port, portName } of portsOf(spec)) {
    for (const [part, description] of portMistakes(port, portName)) {
      refuse(`${field}${part}`, description);
    }
  }
  const keys = portsOf(spec).map(({ port, portName }) => port.envKey || defaultEnvKey(portName));
  for (const [index, key] of keys.entries()) {
    if (keys.indexOf(key) !== index) {
      refuse(portsOf(spec)[index]?.field ?? "port", `two ports would set the variable ${key}`);
    }
  }
  for (const key of spec.adapterEnvKeys ?? []) {
    if (!VARIABLE_NAME.test(key)) refuse("adapter_env_keys", `"${key}" ${NAME_RULE}`);
  }
  if (spec.stop?.signal && !STOP_SIGNALS.includes(spec.stop.signal)) {
    refuse("stop.signal", `must be one of ${STOP_SIGNALS.join(", ")}`);
  }
  for (const [field, value] of [
    ["memory_bytes", spec.limits?.memoryBytes ?? 0],
    ["cpu_millis", spec.limits?.cpuMillis ?? 0],
    ["pids", spec.limits?.pids ?? 0],
  ] as const) {
    if (value < 0) refuse(`limits.${field}`, "must not be negative: leave it out for no limit");
  }
  for (const { field, description } of probeMistakes(spec)) refuse(field, description);
  return found;
}

const NAME_RULE = "must be a variable name: letters, digits and _, not starting with a digit";

/** The main port has the name "". */
export function portsOf(spec: ServiceSpec): { field: string; portName: string; port: PortSpec }[] {
  return [
    ...(spec.port === undefined ? [] : [{ field: "port", portName: "", port: spec.port }]),
    ...Object.entries(spec.extraPorts ?? {}).map(([portName, port]) => ({
      field: `extra_ports["${portName}"]`,
      portName,
      port,
    })),
  ];
}

/** PORT, or PORT_<NAME> of an extra port. */
export function defaultEnvKey(portName: string): string {
  return portName === "" ? "PORT" : `PORT_${portName.toUpperCase().replaceAll("-", "_")}`;
}

function portMistakes(port: PortSpec, portName: string): [string, string][] {
  const mistakes: [string, string][] = [];
  if (
    port.port !== "auto" &&
    !(Number.isInteger(port.port) && port.port >= 1 && port.port <= 65535)
  ) {
    mistakes.push([".value", `${port.port} is no port: give 1 to 65535, or auto`]);
  }
  if (portName !== "" && !/^[A-Za-z_][A-Za-z0-9_-]*$/.test(portName)) {
    mistakes.push(["", "a port's name must be letters, digits, _ and -"]);
  }
  if (port.envKey) {
    if (!VARIABLE_NAME.test(port.envKey)) mistakes.push([".env_key", NAME_RULE]);
    else if (isReserved(port.envKey)) {
      mistakes.push([".env_key", `${port.envKey} has a meaning of its own: choose another`]);
    }
  }
  return mistakes;
}

function isReserved(key: string): boolean {
  return (
    ["PATH", "HOME", "SHELL", "NODE_OPTIONS"].includes(key) ||
    ["LD_", "DYLD_", "WORKSPACE_RUNTIME_"].some((prefix) => key.startsWith(prefix))
  );
}
