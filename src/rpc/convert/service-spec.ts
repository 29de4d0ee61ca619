import { create, type MessageInitShape, type MessageShape } from "@bufbuild/protobuf";
import {
  AdapterEnvMode,
  DependencyCondition,
  Lifecycle,
  PortSpecSchema,
  RestartMode,
  RuntimeConfigSchema,
  ScopeType,
  ServiceSpecSchema,
  StdinMode,
} from "../../../gen/workspace/runtime/v1/service_pb.ts";
import type { PortSpec, ServiceCommand, ServiceSpec } from "../../model/service-spec.ts";
import type { RuntimeConfig } from "../../model/workspace.ts";
import { enumReader } from "./enums.ts";
import { listOrAbsent, mapOrAbsent, orAbsent, present } from "./present.ts";
import { probeFromMessage, probeToMessage } from "./probe.ts";
import { stopPolicyFromMessage, stopPolicyToMessage } from "./stop-policy.ts";
import { durationFromMs, msFromDuration } from "./time.ts";

type SpecMessage = MessageShape<typeof ServiceSpecSchema>;
type SpecInit = MessageInitShape<typeof ServiceSpecSchema>;

const lifecycleFromValue = enumReader(Lifecycle);
const scopeTypeFromValue = enumReader(ScopeType);
const restartModeFromValue = enumReader(RestartMode);
const conditionFromValue = enumReader(DependencyCondition);
const stdinFromValue = enumReader(StdinMode);
const adapterEnvModeFromValue = enumReader(AdapterEnvMode);

/** As asked, nothing defaulted: what a spec may say is the domain's to judge. */
export function specFromMessage(message: SpecMessage): ServiceSpec {
  return present({
    name: orAbsent(message.name),
    process: processFromMessage(message.process),
    cwd: orAbsent(message.cwd),
    env: mapOrAbsent(message.env),
    port: message.port && portFromMessage(message.port),
    extraPorts: mapOrAbsent(mapValues(message.extraPorts, portFromMessage)),
    expose: message.expose && { urlTemplate: message.expose.urlTemplate },
    readiness: probeFromMessage(message.readiness),
    liveness: probeFromMessage(message.liveness),
    lifecycle: lifecycleFromValue(message.lifecycle),
    reuseScope: scopeTypeFromValue(message.reuseScope),
    stopPolicy: stopPolicyFromMessage(message.stopPolicy),
    stop:
      message.stop &&
      present({
        signal: orAbsent(message.stop.signal),
        graceMs: message.stop.gracePeriod && msFromDuration(message.stop.gracePeriod),
      }),
    restart:
      message.restart &&
      present({
        mode: restartModeFromValue(message.restart.mode) ?? ("NEVER" as const),
        maxRestarts: message.restart.maxRestarts,
        initialBackoffMs:
          message.restart.initialBackoff && msFromDuration(message.restart.initialBackoff),
        maxBackoffMs: message.restart.maxBackoff && msFromDuration(message.restart.maxBackoff),
        resetAfterMs: message.restart.resetAfter && msFromDuration(message.restart.resetAfter),
      }),
    dependsOn: listOrAbsent(
      message.dependsOn.map(({ name, condition }) => ({
        name,
        condition: conditionFromValue(condition) ?? ("READY" as const),
      })),
    ),
    allowFailure: orAbsent(message.allowFailure),
    repairWorkspaceLinks: orAbsent(message.repairWorkspaceLinks),
    logs: message.logs && present({ maxBytes: orAbsent(Number(message.logs.maxBytes)) }),
    stdin: stdinFromValue(message.stdin),
    limits:
      message.limits &&
      present({
        memoryBytes: orAbsent(Number(message.limits.memoryBytes)),
        cpuMillis: orAbsent(message.limits.cpuMillis),
        pids: orAbsent(message.limits.pids),
      }),
    adapterEnvMode: adapterEnvModeFromValue(message.adapterEnvMode),
    adapterEnvKeys: listOrAbsent(message.adapterEnvKeys),
  });
}

export function specToMessage(spec: ServiceSpec): SpecMessage {
  const duration = (ms: number | undefined) => (ms === undefined ? undefined : durationFromMs(ms));
  return create(ServiceSpecSchema, {
    name: spec.name ?? "",
    process: spec.process ? processToMessage(spec.process) : { case: undefined },
    cwd: spec.cwd ?? "",
    env: { ...spec.env },
    port: spec.port && portToMessage(spec.port),
    extraPorts: mapValues(spec.extraPorts ?? {}, portToMessage),
    expose: spec.expose,
    readiness: spec.readiness && probeToMessage(spec.readiness),
    liveness: spec.liveness && probeToMessage(spec.liveness),
    lifecycle: Lifecycle[spec.lifecycle ?? "UNSPECIFIED"],
    reuseScope: ScopeType[spec.reuseScope ?? "UNSPECIFIED"],
    stopPolicy: spec.stopPolicy && stopPolicyToMessage(spec.stopPolicy),
    stop: spec.stop && {
      signal: spec.stop.signal ?? "",
      gracePeriod: duration(spec.stop.graceMs),
    },
    restart: spec.restart && {
      mode: RestartMode[spec.restart.mode],
      maxRestarts: spec.restart.maxRestarts,
      initialBackoff: duration(spec.restart.initialBackoffMs),
      maxBackoff: duration(spec.restart.maxBackoffMs),
      resetAfter: duration(spec.restart.resetAfterMs),
    },
    dependsOn: (spec.dependsOn ?? []).map(({ name, condition }) => ({
      name,
      condition: DependencyCondition[condition],
    })),
    allowFailure: spec.allowFailure ?? false,
    repairWorkspaceLinks: spec.repairWorkspaceLinks ?? false,
    logs: spec.logs && { maxBytes: BigInt(spec.logs.maxBytes ?? 0) },
    stdin: StdinMode[spec.stdin ?? "UNSPECIFIED"],
    limits: spec.limits && {
      memoryBytes: BigInt(spec.limits.memoryBytes ?? 0),
      cpuMillis: spec.limits.cpuMillis ?? 0,
      pids: spec.limits.pids ?? 0,
    },
    adapterEnvMode: AdapterEnvMode[spec.adapterEnvMode ?? "UNSPECIFIED"],
    adapterEnvKeys: [...(spec.adapterEnvKeys ?? [])],
  });
}

export function runtimeConfigFromMessage(
  message: MessageShape<typeof RuntimeConfigSchema>,
): RuntimeConfig {
  return { services: message.services.map(specFromMessage) };
}

export function runtimeConfigToMessage(
  config: RuntimeConfig,
): MessageShape<typeof RuntimeConfigSchema> {
  return create(RuntimeConfigSchema, { services: config.services.map(specToMessage) });
}

function processFromMessage(process: SpecMessage["process"]): ServiceCommand | undefined {
  switch (process.case) {
    case "command":
      return { kind: "command", command: process.value };
    case "argv":
      return { kind: "argv", args: process.value.args };
    default:
      return undefined;
  }
}

function processToMessage(process: ServiceCommand): NonNullable<SpecInit["process"]> {
  return process.kind === "command"
    ? { case: "command", value: process.command }
    : { case: "argv", value: { args: [...process.args] } };
}

function portFromMessage(message: MessageShape<typeof PortSpecSchema>): PortSpec {
  return present({
    port: message.port.case === "value" ? message.port.value : ("auto" as const),
    envKey: orAbsent(message.envKey),
  });
}

function portToMessage({ port, envKey = "" }: PortSpec): MessageShape<typeof PortSpecSchema> {
  return create(PortSpecSchema, {
    port: port === "auto" ? { case: "auto", value: {} } : { case: "value", value: port },
    envKey,
  });
}

function mapValues<A, B>(
  map: Readonly<Record<string, A>>,
  convert: (value: A) => B,
): Record<string, B> {
  return Object.fromEntries(Object.entries(map).map(([key, value]) => [key, convert(value)]));
}
