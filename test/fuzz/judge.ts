import { Code, ConnectError } from "@connectrpc/connect";
import { errorDetails } from "../../src/client/index.ts";

/** What the caller itself makes of a call that it gave up. */
const CALLERS_OWN: ReadonlySet<Code> = new Set([Code.Canceled, Code.DeadlineExceeded]);
const OUR_DEFECTS: ReadonlySet<Code> = new Set([Code.Internal, Code.Unknown, Code.DataLoss]);

/** What is wrong with this error, if anything: every answer is typed, and none is a defect of the server. */
export function judge(error: unknown): string | undefined {
  const { code, rawMessage } = ConnectError.from(error);
  if (CALLERS_OWN.has(code)) return undefined;
  // HTTP/2's own word for a call that was not begun: the connection takes no more, the next one does.
  if (rawMessage.endsWith("NGHTTP2_REFUSED_STREAM")) return undefined;
  const { reason } = errorDetails(error);
  if (OUR_DEFECTS.has(code) || reason === "INTERNAL") return `${Code[code]}: ${rawMessage}`;
  return reason === "" ? `no reason: ${Code[code]}: ${rawMessage}` : undefined;
}
