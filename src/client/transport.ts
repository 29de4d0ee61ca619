import { connect as connectTcp } from "node:net";
import { type Duplex, Duplex as DuplexStream } from "node:stream";
import { type ConnectionOptions, connect as connectTls } from "node:tls";
import { Code, ConnectError, type Interceptor, type Transport } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { connectionErrors } from "./connection-errors.ts";
import { type LocateOptions, locateServer, locateToken, NoServerError } from "./locate.ts";

export interface TransportOptions extends LocateOptions {
  /** For an https address: authorities to trust besides the system's, and a certificate of one's own. */
  readonly tls?: Pick<ConnectionOptions, "ca" | "cert" | "key" | "servername"> | undefined;
}

/** gRPC over one HTTP/2 connection, opened with the first call. */
export interface RuntimeTransport {
  readonly transport: Transport;
  /** Ends the connection and the calls on it with CANCELLED; a later call opens a new one. */
  close(): void;
}

/** Bytes of one stream in flight; HTTP/2's own 64 KiB halves the speed of a log. */
const STREAM_WINDOW_BYTES = 1024 * 1024;

/**
 * Where the server is gets decided anew for each connection, and which token for each call: a server that
 * comes back on another port, or with another token, is found again.
 */
export function createTransport(options: TransportOptions = {}): RuntimeTransport {
  // Only a name for HTTP/2's :authority; the connection is made below.
  const baseUrl = "http://localhost";
  const sessionManager = new Http2SessionManager(
    baseUrl,
    { pingIntervalMs: 30_000, pingTimeoutMs: 15_000 },
    {
      createConnection: () => openConnection(options),
      settings: { initialWindowSize: STREAM_WINDOW_BYTES, enablePush: false },
    },
  );
  const transport = createGrpcTransport({
    baseUrl,
    sessionManager,
    // On a loopback, compressing logs costs more than it saves.
    acceptCompression: [],
    interceptors: [connectionErrors, authorize(options)],
  });
  return { transport, close: () => sessionManager.abort() };
}

function openConnection(options: TransportOptions): Duplex {
  try {
    const location = locateServer(options);
    if (location.kind === "socket") return connectTcp({ path: location.path });
    const { url } = location;
    const host = url.hostname.replace(/^\[|\]$/g, "");
    const port = Number(url.port || (url.protocol === "https:" ? 443 : 80));
    if (url.protocol === "http:") return connectTcp({ host, port });
    return connectTls({ servername: host, ...options.tls, host, port, ALPNProtocols: ["h2"] });
  } catch (error) {
    return failed(error);
  }
}

/** http2.connect would let a throw escape to nobody: what cannot be found is a connection that fails. */
function failed(error: unknown): Duplex {
  const code = error instanceof NoServerError ? Code.Unavailable : Code.InvalidArgument;
  const message = error instanceof Error ? error.message : String(error);
  const stream = new DuplexStream({ read() {}, write() {} });
  process.nextTick(() =>
    stream.destroy(new ConnectError(message, code, undefined, undefined, error)),
  );
  return stream;
}

function authorize(options: TransportOptions): Interceptor {
  return (next) => (request) => {
    const token = options.socket === undefined ? locateToken(options) : "";
    if (token !== "") request.header.set("authorization", `Bearer ${token}`);
    return next(request);
  };
}
