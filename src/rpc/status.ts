import {
  create,
  type DescMessage,
  type Message,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { AnySchema, anyPack } from "@bufbuild/protobuf/wkt";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  RetryInfoSchema,
} from "../../gen/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../../gen/google/rpc/status_pb.ts";
import { ServiceFailureSchema } from "../../gen/workspace/runtime/v1/service_pb.ts";
import { RuntimeError, type ServiceFailure } from "../errors.ts";
import { serviceFailureToMessage } from "./convert/failure.ts";
import { durationFromMs } from "./convert/time.ts";
import { errorTable, StatusCode } from "./error-table.ts";
import { StatusError } from "./status-error.ts";

const DOMAIN = "workspace.runtime.v1";
/** Some gRPC stacks refuse trailers over 8 KiB in all; base64 makes 4 bytes of 3. */
const DETAILS_BUDGET_BYTES = 5 * 1024;
const LONGEST_MESSAGE = 1_024;

/** A failed call as it travels on either transport. */
export interface RpcStatus {
  readonly code: number;
  readonly message: string;
  readonly details: readonly RpcDetail[];
}

export interface RpcDetail<Desc extends DescMessage = DescMessage> {
  readonly desc: Desc;
  readonly value: MessageShape<Desc>;
}

/** What the caller is told of `error`; anything that is not of the domain is a defect of ours, and hidden. */
export function statusOf(error: unknown): RpcStatus {
  if (error instanceof StatusError) {
    return { code: StatusCode[error.code], message: error.message, details: [] };
  }
  return statusOfTold(isTold(error) ? error : new RuntimeError("INTERNAL", "internal error"));
}

function statusOfTold(error: RuntimeError): RpcStatus {
  const row = errorTable[error.reason];
  const details: RpcDetail[] = [
    detail(
      ErrorInfoSchema,
      create(ErrorInfoSchema, {
        reason: error.reason,
        domain: DOMAIN,
        metadata: Object.fromEntries(
          Object.entries(error.metadata).map(([key, value]) => [key, clip(value, LONGEST_MESSAGE)]),
        ),
      }),
    ),
  ];
  if (error.violations.length > 0) {
    const fieldViolations = error.violations.slice(0, 20).map(({ field, description }) => ({
      field: clip(field, 200),
      description: clip(description, 200),
    }));
    details.push(detail(BadRequestSchema, create(BadRequestSchema, { fieldViolations })));
  }
  if (row.retryAfterMs !== undefined) {
    const retryDelay = durationFromMs(row.retryAfterMs);
    details.push(detail(RetryInfoSchema, create(RetryInfoSchema, { retryDelay })));
  }
  return {
    code: StatusCode[row.code],
    message: clip(error.message, LONGEST_MESSAGE),
    details: [
      ...details,
      ...failureDetails(error.failures, DETAILS_BUDGET_BYTES - sizeOf(details)),
    ],
  };
}

/** A request that the library could not parse. Its words name the field where they can. */
export function undecodable(error: unknown): RuntimeError {
  const why = error instanceof Error ? error.message : String(error);
  return new RuntimeError("INVALID_FIELD", `the request cannot be decoded: ${why}`);
}

/** True for errors whose words are meant for callers. */
export function isTold(error: unknown): error is RuntimeError {
  return error instanceof RuntimeError && error.reason !== "INTERNAL";
}

/** `google.rpc.Status`, the value of `grpc-status-details-bin`. */
export function encodeStatus(status: RpcStatus): Uint8Array {
  return toBinary(
    StatusSchema,
    create(StatusSchema, {
      code: status.code,
      message: status.message,
      details: status.details.map(({ desc, value }) => anyPack(desc, value)),
    }),
  );
}

/** One a failed service, none left out: what does not fit loses the beginning of its output first. */
function failureDetails(failures: readonly ServiceFailure[], budget: number): RpcDetail[] {
  let tail = 4_096;
  for (;;) {
    const details = failures.map((failure) =>
      detail(ServiceFailureSchema, serviceFailureToMessage(clipFailure(failure, tail))),
    );
    if (tail === 0 || sizeOf(details) <= budget) return details;
    tail = tail < 64 ? 0 : Math.floor(tail / 2);
  }
}

function clipFailure(failure: ServiceFailure, tail: number): ServiceFailure {
  const { diagnosis } = failure;
  return {
    ...failure,
    message: clip(failure.message, tail === 0 ? 160 : LONGEST_MESSAGE),
    ...(diagnosis && {
      diagnosis: {
        ...diagnosis,
        ...(diagnosis.outputTail && {
          outputTail: tail === 0 ? "" : diagnosis.outputTail.slice(-tail).toWellFormed(),
        }),
        ...(diagnosis.lastProbeError && { lastProbeError: clip(diagnosis.lastProbeError, 500) }),
      },
    }),
  };
}

function detail<Desc extends DescMessage>(desc: Desc, value: MessageShape<Desc>): RpcDetail {
  return { desc, value: value as Message };
}

function sizeOf(details: readonly RpcDetail[]): number {
  return details.reduce(
    (sum, { desc, value }) => sum + toBinary(AnySchema, anyPack(desc, value)).length,
    0,
  );
}

/** At most `length` UTF-16 units, and always valid Unicode: headers and strings take nothing else. */
function clip(text: string, length: number): string {
  return (text.length <= length ? text : `${text.slice(0, length - 1)}…`).toWellFormed();
}
