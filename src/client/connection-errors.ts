import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";

/**
 * A connection that cannot be made, or that breaks, ends its calls with UNAVAILABLE, whatever the state in which
 * it broke. Without it the code depends on where in a frame the server died.
 */
export const connectionErrors: Interceptor = (next) => async (request) => {
  try {
    const response = await next(request);
    if (!response.stream) return response;
    return { ...response, message: guarded(response.message, request.signal) };
  } catch (error) {
    throw normalized(error, request.signal);
  }
};

async function* guarded<T>(messages: AsyncIterable<T>, signal: AbortSignal): AsyncIterable<T> {
  try {
    yield* messages;
  } catch (error) {
    throw normalized(error, signal);
  }
}

function normalized(error: unknown, signal: AbortSignal): unknown {
  if (!(error instanceof ConnectError) || signal.aborted || !isLoss(error)) return error;
  if (error.code === Code.Unavailable) return error;
  return new ConnectError(
    `connection lost: ${error.rawMessage}`,
    Code.Unavailable,
    error.metadata,
    undefined,
    error,
  );
}

/** True for errors that the transport made up; what the server says comes with details. */
function isLoss(error: ConnectError): boolean {
  if (error.details.length > 0) return false;
  if (systemCode(error) !== undefined) return true;
  return (
    error.code === Code.Aborted ||
    error.code === Code.Canceled ||
    /^http\/2 stream closed|^Received RST_STREAM|^protocol error: (missing status|incomplete|promised)/.test(
      error.rawMessage,
    )
  );
}

/** The last ones are of certificates that were refused. */
const SYSTEM_CODE = /^(E[A-Z]+|ERR_(HTTP2|STREAM|TLS)_\w+|\w*CERT_\w+|\w*_CERT|UNABLE_TO_\w+)$/;

/** Of a failed system call or a broken HTTP/2 session, anywhere in the chain of causes. */
function systemCode(error: unknown): string | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (typeof code === "string" && SYSTEM_CODE.test(code)) return code;
  }
  return undefined;
}
