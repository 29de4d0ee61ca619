import { create, type MessageShape } from "@bufbuild/protobuf";
import { StopPolicySchema } from "../../../gen/workspace/runtime/v1/service_pb.ts";
import type { StopPolicy } from "../../model/service-spec.ts";
import { present } from "./present.ts";
import { durationFromMs, msFromDuration } from "./time.ts";

type StopPolicyMessage = MessageShape<typeof StopPolicySchema>;

/** An empty policy is none: the server's default. */
export function stopPolicyFromMessage(
  message: StopPolicyMessage | undefined,
): StopPolicy | undefined {
  const policy = message?.policy;
  switch (policy?.case) {
    case "manual":
      return { kind: "manual" };
    case "onRunFinish":
      return { kind: "on_run_finish" };
    case "idleTimeout": {
      const { idle } = policy.value;
      return present({ kind: "idle_timeout" as const, idleMs: idle && msFromDuration(idle) });
    }
    default:
      return undefined;
  }
}

export function stopPolicyToMessage(policy: StopPolicy): StopPolicyMessage {
  switch (policy.kind) {
    case "manual":
      return create(StopPolicySchema, { policy: { case: "manual", value: {} } });
    case "on_run_finish":
      return create(StopPolicySchema, { policy: { case: "onRunFinish", value: {} } });
    case "idle_timeout": {
      const idle = policy.idleMs === undefined ? undefined : durationFromMs(policy.idleMs);
      return create(StopPolicySchema, { policy: { case: "idleTimeout", value: { idle } } });
    }
  }
}
