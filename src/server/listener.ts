import { chmodSync } from "node:fs";
import { createServer as createHttpServer, type RequestListener, type Server } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import type { Door } from "./door.ts";
import type { GrpcTransport } from "./grpc.ts";
import type { ServerLimits } from "./limits.ts";
import type { ServerLog } from "./log.ts";
import { sniffProtocol } from "./sniff.ts";
import { chooseProtocol, type TlsMaterial } from "./tls.ts";

export interface ListenerOptions {
  readonly endpoint:
    | { readonly kind: "tcp"; readonly host: string; readonly port: number; readonly door?: Door }
    | { readonly kind: "unix"; readonly path: string };
  readonly tls?: TlsMaterial;
  readonly http: RequestListener;
  readonly grpc: GrpcTransport;
  readonly limits: ServerLimits;
  readonly log: ServerLog;
}

/** One bound address that serves both transports. */
export interface Listener {
  /** The port taken, when it is TCP. */
  readonly port: number | undefined;
  /** Takes no more connections; those that are open go on. Idle ones of HTTP/1.1 close. */
  stopAccepting(): void;
  /** Resolves once it accepts no more and the last connection has closed. */
  drained(): Promise<void>;
  /** Ends every connection that is left, and resolves once the address is free. */
  close(): Promise<void>;
}

/** Binds and serves. Rejects with the system's error (EADDRINUSE, EACCES, …). */
export async function listen(options: ListenerOptions): Promise<Listener> {
  const { http, grpc, limits, log, tls } = options;
  // How often node:http looks for requests that take too long to arrive: 30 s by itself.
  const timing = { connectionsCheckingInterval: Math.ceil(limits.sniffTimeoutMs / 4) };
  const server = tls
    ? createHttpsServer({ ...timing, ...tlsOptions(tls, limits) }, http)
    : createHttpServer(timing, http);
  server.maxConnections = limits.maxConnections;
  server.headersTimeout = limits.sniffTimeoutMs;
  server.requestTimeout = 60_000;
  server.keepAliveTimeout = 75_000;

  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    socket.setNoDelay(true);
    // A host that vanished sends no FIN.
    socket.setKeepAlive(true, 60_000);
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });

  // The HTTP server is the listener, so that its own time limits hold; it only gets to see the
  // connections that turn out to speak HTTP/1.1.
  const event = tls ? "secureConnection" : "connection";
  const [serveHttp] = server.listeners(event) as ((socket: Socket) => void)[];
  if (serveHttp === undefined) throw new Error(`node:http has no listener for "${event}"`);
  server.off(event, serveHttp);
  server.on(event, (socket: Socket) => {
    const handOn = (protocol: "http1" | "http2") => {
      if (protocol === "http1") {
        serveHttp.call(server, socket);
        return;
      }
      // node:http leaves its sockets half open at the peer's FIN, and node:http2 would never notice
      // that a client's process has died.
      socket.allowHalfOpen = false;
      grpc.accept(socket);
    };
    const { alpnProtocol } = socket as Partial<TLSSocket>;
    if (alpnProtocol === "h2") handOn("http2");
    else if (alpnProtocol === "http/1.1") handOn("http1");
    else sniffProtocol(socket, limits.sniffTimeoutMs, handOn);
  });

  await bind(server, options.endpoint);
  // Out of file descriptors, say: it goes on as soon as there are some.
  server.on("error", (error) => log.error({ err: error }, "the listener has a problem"));
  let closed: Promise<void> | undefined;
  const stop = () => {
    closed ??= new Promise((resolve) => server.close(() => resolve()));
    return closed;
  };
  return {
    port: (server.address() as AddressInfo | null)?.port,
    stopAccepting() {
      void stop();
    },
    drained: stop,
    async close() {
      const freed = stop();
      grpc.destroy();
      for (const socket of sockets) socket.destroy();
      await freed;
    },
  };
}

function bind(server: Server, endpoint: ListenerOptions["endpoint"]): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.once("listening", () => {
      server.off("error", reject);
      resolve();
    });
    if (endpoint.kind === "tcp") {
      if (endpoint.door !== undefined) endpoint.door.handOver(server);
      else server.listen({ host: endpoint.host, port: endpoint.port });
      return;
    }
    // The file appears during this call: nobody else may open it even for a moment.
    const before = process.umask(0o177);
    try {
      server.listen(endpoint.path);
    } finally {
      process.umask(before);
    }
    server.once("listening", () => chmodSync(endpoint.path, 0o600));
  });
}

function tlsOptions({ cert, key, clientCa }: TlsMaterial, limits: ServerLimits) {
  return {
    cert,
    key,
    ...(clientCa && { ca: clientCa, requestCert: true, rejectUnauthorized: true }),
    minVersion: "TLSv1.2" as const,
    handshakeTimeout: limits.sniffTimeoutMs,
    ALPNCallback: chooseProtocol,
  };
}
