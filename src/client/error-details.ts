import { durationMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  RetryInfoSchema,
} from "../../gen/google/rpc/error_details_pb.ts";
import {
  type ServiceFailure,
  ServiceFailureSchema,
} from "../../gen/workspace/runtime/v1/service_pb.ts";

/** All that a failed call says. */
export interface ErrorDetails {
  readonly code: Code;
  /** The status code's name as in gRPC, such as "FAILED_PRECONDITION". */
  readonly status: string;
  /** Name of an `ErrorReason` without its prefix; "" if the error is not the server's (a lost connection). */
  readonly reason: string;
  readonly message: string;
  /** Facts for programs: workspace_id, service_id, exit_code, port, pid, path, … */
  readonly metadata: Readonly<Record<string, string>>;
  /** The fields that were refused, by their proto path. */
  readonly violations: readonly { readonly field: string; readonly description: string }[];
  /** One for each service that did not come up or could not be stopped. */
  readonly failures: readonly ServiceFailure[];
  /** Trying again makes sense after this long; undefined: not said. */
  readonly retryAfterMs: number | undefined;
}

/** What `error`, thrown by a call, says. Anything else that was thrown is an error without a reason. */
export function errorDetails(error: unknown): ErrorDetails {
  const connect = ConnectError.from(error);
  const [info] = connect.findDetails(ErrorInfoSchema);
  const [retry] = connect.findDetails(RetryInfoSchema);
  return {
    code: connect.code,
    status: statusName(connect.code),
    reason: info?.reason ?? "",
    message: connect.rawMessage,
    metadata: info?.metadata ?? {},
    violations: connect
      .findDetails(BadRequestSchema)
      .flatMap(({ fieldViolations }) =>
        fieldViolations.map(({ field, description }) => ({ field, description })),
      ),
    failures: connect.findDetails(ServiceFailureSchema),
    retryAfterMs: retry?.retryDelay === undefined ? undefined : durationMs(retry.retryDelay),
  };
}

/** InvalidArgument to INVALID_ARGUMENT; gRPC writes CANCELLED with two l. */
function statusName(code: Code): string {
  if (code === Code.Canceled) return "CANCELLED";
  return Code[code].replace(/(?<=[a-z])(?=[A-Z])/g, "_").toUpperCase();
}
