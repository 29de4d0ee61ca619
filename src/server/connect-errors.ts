import { Code, ConnectError } from "@connectrpc/connect";
import type { UniversalServerResponse } from "@connectrpc/connect/protocol";
import {
  codeToHttpStatus,
  errorFromJsonBytes,
  errorToJsonBytes,
} from "@connectrpc/connect/protocol-connect";
import { RuntimeError } from "../errors.ts";
import { statusOf, undecodable } from "../rpc/status.ts";

export function connectError(error: unknown): ConnectError {
  const { code, message, details } = statusOf(error);
  return new ConnectError(message, code, undefined, [...details]);
}

/**
 * The library's own refusals (a request that does not parse, one that is too large) with the details
 * that callers know from ours. It calls bytes that do not parse INTERNAL; they are the caller's.
 */
export function typedLibraryError(error: unknown): unknown {
  if (!(error instanceof ConnectError) || error.details.length > 0) return error;
  switch (error.code) {
    case Code.Internal:
    case Code.InvalidArgument:
      return connectError(undecodable(new Error(error.rawMessage)));
    case Code.ResourceExhausted:
      return connectError(new RuntimeError("LIMIT_EXCEEDED", error.rawMessage));
    default:
      return error;
  }
}

/** The same for a unary answer, which the library has already written when we see it. */
export async function typedErrorResponse(
  response: UniversalServerResponse,
): Promise<UniversalServerResponse> {
  const { header, body } = response;
  if (response.status < 400 || body === undefined) return response;
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  let bytes: Uint8Array = Buffer.concat(chunks);
  let { status } = response;
  if (header?.get("content-type") === "application/json") {
    const given = errorFromJsonBytes(bytes, undefined, new ConnectError("", Code.Unknown));
    const typed = typedLibraryError(given);
    if (typed !== given && typed instanceof ConnectError) {
      status = codeToHttpStatus(typed.code);
      bytes = errorToJsonBytes(typed, undefined);
      header.set("content-length", String(bytes.byteLength));
    }
  }
  return { ...response, status, body: once(bytes) };
}

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}
