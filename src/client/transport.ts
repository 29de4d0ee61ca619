import { connect as connectTcp, type Socket } from "node:net";
import { type ConnectionOptions, connect as connectTls } from "node:tls";
import type { Transport } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { authorize } from "./authorize.ts";
import { connectionErrors } from "./connection-errors.ts";
import { type LocateOptions, type Location, locateServer } from "./locate.ts";
import { locateForCall } from "./locate-for-call.ts";

export interface TransportOptions extends LocateOptions {
  /** For an https address: authorities to trust besides the system's, and a certificate of one's own. */
  readonly tls?: Pick<ConnectionOptions, "ca" | "cert" | "key" | "servername"> | undefined;
}

/** Calls over one HTTP/2 connection, opened with the first of them. */
export interface RuntimeTransport {
  readonly transport: Transport;
  /** Ends the connection and the calls on it with CANCELLED; a later call opens a new one. */
  close(): void;
}

/** Bytes of one stream in flight; HTTP/2's own 64 KiB halves the speed of a log. */
export const STREAM_WINDOW_BYTES = 1024 * 1024;

/**
 * Where the server is gets decided anew for each connection, and which token for each call: a server that
 * comes back on another port, or with another token, is found again.
 */
export function createTransport(options: TransportOptions = {}): RuntimeTransport {
  const sessions = createSessions(options);
  const transport = createGrpcTransport({
    baseUrl: sessions.authority,
    sessionManager: sessions,
    // On a loopback, compressing logs costs more than it saves.
    acceptCompression: [],
    interceptors: [connectionErrors, authorize(options)],
  });
  return { transport, close: () => sessions.abort() };
}

type Sessions = Pick<
  Http2SessionManager,
  "authority" | "request" | "notifyResponseByteRead" | "abort"
>;

function createSessions(options: TransportOptions): Sessions {
  let location: Location | undefined;
  const sessions = new Http2SessionManager(
    // Only a name for HTTP/2's :authority; the connection is made below.
    "http://localhost",
    { pingIntervalMs: 30_000, pingTimeoutMs: 15_000 },
    {
      createConnection: () => openConnection(location ?? locateServer(options), options.tls),
      settings: { initialWindowSize: STREAM_WINDOW_BYTES, enablePush: false },
    },
  );
  return {
    authority: sessions.authority,
    // Not in createConnection: the manager would never hear of what is thrown there.
    async request(...call) {
      location = locateForCall(options);
      return sessions.request(...call);
    },
    notifyResponseByteRead: (stream) => sessions.notifyResponseByteRead(stream),
    abort: (reason) => sessions.abort(reason),
  };
}

function openConnection(location: Location, tls: TransportOptions["tls"]): Socket {
  if (location.kind === "socket") return connectTcp({ path: location.path });
  const { url } = location;
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const port = Number(url.port || (url.protocol === "https:" ? 443 : 80));
  if (url.protocol === "http:") return connectTcp({ host, port });
  return connectTls({ servername: host, ...tls, host, port, ALPNProtocols: ["h2"] });
}
