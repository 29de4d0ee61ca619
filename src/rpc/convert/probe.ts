import { create, type MessageInitShape, type MessageShape } from "@bufbuild/protobuf";
import { ListenerCheck, ProbeSchema } from "../../../gen/workspace/runtime/v1/service_pb.ts";
import type { Probe, ProbeCheck } from "../../model/service-spec.ts";
import { enumReader } from "./enums.ts";
import { listOrAbsent, mapOrAbsent, orAbsent, present } from "./present.ts";
import { durationFromMs, msFromDuration } from "./time.ts";

type ProbeMessage = MessageShape<typeof ProbeSchema>;

const listenerFromValue = enumReader(ListenerCheck);

export function probeFromMessage(message: ProbeMessage | undefined): Probe | undefined {
  return (
    message &&
    present({
      check: checkFromMessage(message.check),
      timeoutMs: message.timeout && msFromDuration(message.timeout),
      intervalMs: message.interval && msFromDuration(message.interval),
      attemptTimeoutMs: message.attemptTimeout && msFromDuration(message.attemptTimeout),
      failureThreshold: message.failureThreshold,
      listener: listenerFromValue(message.listener),
    })
  );
}

export function probeToMessage(probe: Probe): ProbeMessage {
  const duration = (ms: number | undefined) => (ms === undefined ? undefined : durationFromMs(ms));
  return create(ProbeSchema, {
    check: probe.check ? checkToMessage(probe.check) : { case: undefined },
    timeout: duration(probe.timeoutMs),
    interval: duration(probe.intervalMs),
    attemptTimeout: duration(probe.attemptTimeoutMs),
    failureThreshold: probe.failureThreshold,
    listener: ListenerCheck[probe.listener ?? "UNSPECIFIED"],
  });
}

function checkFromMessage(check: ProbeMessage["check"]): ProbeCheck | undefined {
  switch (check.case) {
    case "http":
      return present({
        kind: "http" as const,
        urlTemplate: orAbsent(check.value.urlTemplate),
        expectedStatuses: listOrAbsent(check.value.expectedStatuses),
        headers: mapOrAbsent(check.value.headers),
        expectJson: mapOrAbsent(check.value.expectJson),
      });
    case "tcp":
      return present({ kind: "tcp" as const, port: check.value.port });
    case "exec":
      return { kind: "exec", command: check.value.command };
    case "log":
      return { kind: "log", pattern: check.value.pattern };
    case "grpc":
      return present({ kind: "grpc" as const, service: orAbsent(check.value.service) });
    default:
      return undefined;
  }
}

function checkToMessage(
  check: ProbeCheck,
): NonNullable<MessageInitShape<typeof ProbeSchema>["check"]> {
  switch (check.kind) {
    case "http": {
      const { urlTemplate = "", expectedStatuses = [], headers = {}, expectJson = {} } = check;
      return {
        case: "http",
        value: {
          urlTemplate,
          expectedStatuses: [...expectedStatuses],
          headers: { ...headers },
          expectJson: { ...expectJson },
        },
      };
    }
    case "tcp":
      return { case: "tcp", value: { port: check.port } };
    case "exec":
      return { case: "exec", value: { command: check.command } };
    case "log":
      return { case: "log", value: { pattern: check.pattern } };
    case "grpc":
      return { case: "grpc", value: { service: check.service ?? "" } };
  }
}
