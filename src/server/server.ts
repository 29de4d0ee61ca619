import type { DescFile, DescService } from "@bufbuild/protobuf";
import { file_google_rpc_error_details } from "../../gen/google/rpc/error_details_pb.ts";
import { file_google_rpc_status } from "../../gen/google/rpc/status_pb.ts";
import { Health as HealthService } from "../../gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionAlpha } from "../../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import type { ServiceHandlers } from "../rpc/handler.ts";
import { type Access, localAccess, tokenAccess } from "./auth.ts";
import { createCalls } from "./calls.ts";
import { createConnectTransport } from "./connect.ts";
import { createDescriptorIndex } from "./descriptor-index.ts";
import type { Door } from "./door.ts";
import { behindGate, createGate } from "./gate.ts";
import { createGrpcTransport, type GrpcTransport } from "./grpc.ts";
import { createHealth } from "./health.ts";
import { createHttpHandler } from "./http.ts";
import { defaultLimits, type ServerLimits } from "./limits.ts";
import { type Listener, listen } from "./listener.ts";
import type { ServerLog } from "./log.ts";
import { createReflection, createReflectionAlpha } from "./reflection.ts";
import { register } from "./registration.ts";
import { type ShutdownOptions, shutDown } from "./shutdown.ts";
import { readTlsFiles, type TlsFiles } from "./tls.ts";
import { claimSocketPath } from "./unix-socket.ts";
import { createWebGuard, isLoopbackHost, type WebGuard } from "./web-guard.ts";

export interface ServerOptions<S extends DescService> {
  readonly service: S;
  readonly handlers: ServiceHandlers<S>;
  /** Port 0 picks one. */
  readonly listen: { readonly host: string; readonly port: number };
  /** Has that address already. */
  readonly door?: Door;
  /** A Unix socket beside it (0600); absent: none. Its directory must exist and be 0700. */
  readonly socketPath?: string;
  readonly tls?: TlsFiles;
  /** What callers on TCP must know. */
  readonly token: string;
  readonly log: ServerLog;
  readonly limits?: Partial<ServerLimits>;
}

/** The service on its port. It answers from the first moment; what changes something waits for `ready`. */
export interface RuntimeServer {
  /** With the port taken: `http://127.0.0.1:7433`, `https://…` under TLS. */
  readonly address: string;
  readonly port: number;
  /** Health becomes SERVING, and calls that change something are let through. */
  ready(): void;
  /** Calls that are being answered, streams included. */
  inFlight(): number;
  /** Ends streams with SHUTTING_DOWN, lets calls in flight finish, then frees the addresses. */
  shutdown(options?: ShutdownOptions): Promise<void>;
}

export async function createServer<S extends DescService>(
  options: ServerOptions<S>,
): Promise<RuntimeServer> {
  const { service, log } = options;
  const limits: ServerLimits = { ...defaultLimits, ...options.limits };
  const tls = options.tls && (await readTlsFiles(options.tls));
  const calls = createCalls(limits.maxCalls);
  const gate = createGate(limits.startingUpWaitMs);
  const health = createHealth([service.typeName]);
  const services = [service, HealthService, ServerReflection, ServerReflectionAlpha];
  const index = createDescriptorIndex(services, errorDetailFiles);
  const registrations = [
    register(service, behindGate(service, options.handlers, gate)),
    register(HealthService, health.handlers, { open: true }),
    register(ServerReflection, createReflection(index)),
    register(ServerReflectionAlpha, createReflectionAlpha(index)),
  ];

  const grpcTransports: GrpcTransport[] = [];
  const listeners: Listener[] = [];
  const serve = async (
    endpoint: Parameters<typeof listen>[0]["endpoint"],
    access: Access,
    guard?: WebGuard,
  ) => {
    const transport = { registrations, access, calls, limits, log };
    const grpc = createGrpcTransport(transport);
    const connect = createConnectTransport(transport);
    const http = createHttpHandler({ connect, health, ...(guard && { guard }) });
    // The Unix socket is never under TLS: nothing can stand in between.
    const secure = endpoint.kind === "tcp" && tls ? { tls } : {};
    grpcTransports.push(grpc);
    const listener = await listen({ endpoint, http, grpc, limits, log, ...secure });
    listeners.push(listener);
    return listener;
  };

  const { host, port } = options.listen;
  const { door } = options;
  const guard = createWebGuard({ listenHost: host, ...(tls && { certificate: tls.cert }) });
  const tcp = await serve(
    { kind: "tcp", host, port, ...(door && { door }) },
    tokenAccess(options.token),
    guard,
  );
  if (options.socketPath !== undefined) {
    try {
      await claimSocketPath(options.socketPath);
      await serve({ kind: "unix", path: options.socketPath }, localAccess());
    } catch (error) {
      await tcp.close();
      throw error;
    }
  }

  const taken = tcp.port ?? port;
  return {
    address: `${tls ? "https" : "http"}://${host.includes(":") ? `[${host}]` : host}:${taken}`,
    port: taken,
    ready() {
      gate.open();
      health.setServing(true);
    },
    inFlight: () => calls.inFlight,
    shutdown: (shutdownOptions) =>
      shutDown({ health, gate, calls, listeners, grpcTransports }, shutdownOptions),
  };
}

/**
 * Throws when an address that others can reach would carry the token in clear text.
 * @param host as in --listen
 */
export function assertSafeToListen(
  host: string,
  { hasTls, insecureListen }: { hasTls: boolean; insecureListen: boolean },
): void {
  if (isLoopbackHost(host) || hasTls || insecureListen) return;
  throw new Error(
    `refusing to listen on ${host} without TLS: give --tls-cert and --tls-key, or --insecure-listen if the network is trusted`,
  );
}

/** What errors carry: not in any method's signature, so reflection must be told of them. */
const errorDetailFiles: readonly DescFile[] = [
  file_google_rpc_error_details,
  file_google_rpc_status,
];
