import { toJson } from "@bufbuild/protobuf";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import {
  type Diagnosis,
  errorDetails,
  HealthStatus,
  type Lease,
  LeaseSchema,
  Lifecycle,
  Provider,
  type RuntimeClient,
  ScopeType,
  type Service,
  ServiceSchema,
  StateReason,
} from "../client/index.ts";
import type { Description } from "./describe.ts";
import { facts, section } from "./facts.ts";
import { LIVE_STATES } from "./find-service.ts";
import { age, ended, nameOf, stateOf } from "./words.ts";

const TAIL_LINES = 10;

/** A service: what it is, why it is so, who holds it, what it last wrote. */
export async function describeService(
  client: RuntimeClient,
  service: Service,
): Promise<Description> {
  const { serviceId } = service;
  const [{ leases }, tail] = await Promise.all([
    client.listLeases({ serviceIds: [serviceId], pageSize: 500 }),
    tailOf(client, service),
  ]);
  const text = [
    about(service),
    section("Leases", leases.map(holder).join("\n")),
    section("Diagnosis", found(service.diagnosis)),
    section("Last output", tail),
  ];
  return {
    text: text.filter((part) => part !== "").join("\n\n"),
    json: {
      service: toJson(ServiceSchema, service),
      leases: leases.map((lease) => toJson(LeaseSchema, lease)),
      lastOutput: tail,
    },
  };
}

function about(service: Service): string {
  const { exit, ports, workspaceId, projectWorkspaceId, restartCount } = service;
  const isLive = LIVE_STATES.includes(service.state);
  const local = service.provider === Provider.LOCAL_PROCESS;
  return facts([
    ["Service", `${service.serviceName}  ${service.serviceId}`],
    ["State", stateOf(service)],
    ["Health", nameOf(HealthStatus, service.health || HealthStatus.UNKNOWN)],
    ["Reason", service.stateReason === 0 ? "" : nameOf(StateReason, service.stateReason)],
    ["Message", service.stateMessage],
    ["Exit", exit && `${ended(exit)}${ago(exit.exitTime)}`],
    [local ? "Process" : "Reference", service.providerRef],
    ["URL", service.url],
    ["Port", service.port?.toString()],
    [
      "Ports",
      Object.entries(ports)
        .map(([name, port]) => `${name} ${port}`)
        .join(", "),
    ],
    ["Command", service.command],
    ["Directory", service.cwd],
    ["Instance", `${service.instance}${restartCount > 0 ? `, ${restarts(restartCount)}` : ""}`],
    ["Up", isLive ? age(service.startTime) : ""],
    ["Scope", `${nameOf(ScopeType, service.scopeType)} ${service.scopeId}`],
    ["Lifecycle", nameOf(Lifecycle, service.lifecycle || Lifecycle.SHARED)],
    ["Stops", stops(service)],
    ["Started by", service.startedByRunId && `run ${service.startedByRunId}`],
    ["Workspace", workspaceId],
    ["Project workspace", projectWorkspaceId],
    ["Log", `workspace-runtime logs ${service.serviceId}`],
  ]);
}

function holder({ runId, expireTime, workspaceId }: Lease): string {
  const until = expireTime && `, until ${timestampDate(expireTime).toISOString()}`;
  return `run ${runId}, through workspace ${workspaceId}${until ?? ""}`;
}

function found(diagnosis: Diagnosis | undefined): string {
  if (diagnosis === undefined) return "";
  const { reason, lastProbeError, listeningPorts, portOwnerPid, outputTail } = diagnosis;
  return facts([
    ["Found", reason],
    ["Last check", lastProbeError],
    ["Listens on", listeningPorts.join(", ") || (lastProbeError ? "no port" : "")],
    ["Port's owner", portOwnerPid === undefined ? "" : `process ${portOwnerPid}`],
    ["Output", outputTail.trimEnd()],
  ]);
}

/** The end of the log; "" if none is kept, as of a service that an adapter runs. */
async function tailOf(client: RuntimeClient, { serviceId }: Service): Promise<string> {
  try {
    const { chunks } = await client.readLogs({
      source: { case: "serviceId", value: serviceId },
      start: { case: "tailLines", value: TAIL_LINES },
    });
    const bytes = chunks.map(({ content }) => Buffer.from(content.value ?? ""));
    return Buffer.concat(bytes).toString().trimEnd();
  } catch (error) {
    if (["CURSOR_EXPIRED", "SERVICE_NOT_FOUND"].includes(errorDetails(error).reason)) return "";
    throw error;
  }
}

function stops({ stopPolicy }: Service): string {
  switch (stopPolicy?.policy.case) {
    case "onRunFinish":
      return "with its last lease";
    case "idleTimeout":
      return `after ${Number(stopPolicy.policy.value.idle?.seconds ?? 1800n)} s without a lease`;
    default:
      return "when someone stops it";
  }
}

function restarts(count: number): string {
  return `restarted ${count === 1 ? "once" : `${count} times`} by its policy`;
}

function ago(time: Service["startTime"]): string {
  return time === undefined ? "" : `, ${age(time)} ago`;
}
