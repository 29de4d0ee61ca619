import { create, type DescMessage } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { type Code, ConnectError } from "@connectrpc/connect";
import { ErrorInfoSchema, RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";

/** An error as the server sends it, with its reason and, if it says so, when to try again. */
export function refusal(reason: string, code: Code, retryAfterMs?: number): ConnectError {
  const info = create(ErrorInfoSchema, { reason, domain: "workspace.runtime.v1" });
  const details: { desc: DescMessage; value: object }[] = [{ desc: ErrorInfoSchema, value: info }];
  if (retryAfterMs !== undefined) {
    const retryDelay = durationFromMs(retryAfterMs);
    details.push({ desc: RetryInfoSchema, value: { retryDelay } });
  }
  return new ConnectError("not now", code, undefined, details as never);
}
