import { once } from "node:events";
import {
  createSecureServer,
  createServer,
  type Http2SecureServer,
  type Http2Server,
  type ServerHttp2Session,
} from "node:http2";
import type { AddressInfo } from "node:net";
import type { ServiceImpl } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { WorkspaceRuntime } from "../../gen/workspace/runtime/v1/workspace_runtime_pb.ts";

export interface FakeServer {
  readonly address: string;
  /** Cuts every connection as a killed process would. */
  cut(): void;
  close(): Promise<void>;
}

/** A real HTTP/2 server with scripted answers, for faults that a real server does not make on demand. */
export async function startFakeServer(
  methods: Partial<ServiceImpl<typeof WorkspaceRuntime>>,
  options: {
    readonly listen?: number | string;
    readonly tls?: { readonly cert: string; readonly key: string };
  } = {},
): Promise<FakeServer> {
  const adapter = connectNodeAdapter({
    routes: (router) => router.service(WorkspaceRuntime, methods),
  });
  const server: Http2Server | Http2SecureServer = options.tls
    ? createSecureServer(options.tls, adapter)
    : createServer(adapter);
  const sessions = new Set<ServerHttp2Session>();
  server.on("session", (session: ServerHttp2Session) => {
    sessions.add(session);
    session.on("error", () => {});
    session.on("close", () => sessions.delete(session));
  });
  const { listen = 0 } = options;
  if (typeof listen === "string") server.listen(listen);
  else server.listen(listen, "127.0.0.1");
  await once(server, "listening");
  const cut = () => {
    for (const session of sessions) session.socket?.destroy();
  };
  const { port } = (server.address() as AddressInfo) ?? {};
  return {
    address: `${options.tls ? "https" : "http"}://127.0.0.1:${port}`,
    cut,
    async close() {
      const closed = once(server, "close");
      server.close();
      for (const session of sessions) session.destroy();
      await closed;
    },
  };
}
