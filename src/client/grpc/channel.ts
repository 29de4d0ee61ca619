import { createSecureContext } from "node:tls";
import {
  type ChannelCredentials,
  type ChannelOptions,
  Client,
  connectivityState,
  credentials,
} from "@grpc/grpc-js";
import type { Location } from "../locate.ts";
import { locateForCall } from "../locate-for-call.ts";
import { STREAM_WINDOW_BYTES, type TransportOptions } from "../transport.ts";

/** One connection of grpc-js, to wherever the server is. */
export interface Channel {
  /** For one call. Throws ConnectError if no server is to be found. */
  client(): Client;
  /** Ends the connection; what still runs on it is the caller's to end. A later call opens a new one. */
  close(): void;
}

/**
 * A connection that lives is kept. Otherwise the server is located anew, and one that could not be reached is tried
 * again at once: grpc-js alone would stay with the first address, and refuse calls while it waits to try again.
 */
export function createChannel(options: TransportOptions): Channel {
  let current: { readonly place: string; readonly client: Client } | undefined;

  const close = () => {
    current?.client.close();
    current = undefined;
  };

  return {
    client() {
      const state = current?.client.getChannel().getConnectivityState(false);
      if (current && state === connectivityState.READY) return current.client;
      const location = locateForCall(options);
      const place = placeOf(location);
      const isComing = state === connectivityState.IDLE || state === connectivityState.CONNECTING;
      if (current?.place === place && isComing) return current.client;
      close();
      current = { place, client: openClient(location, place, options.tls) };
      return current.client;
    },
    close,
  };
}

/** A target as grpc-js writes it. */
function placeOf(location: Location): string {
  if (location.kind === "socket") return `unix:${location.path}`;
  const { hostname, port, protocol } = location.url;
  return `dns:${hostname}:${port || (protocol === "https:" ? 443 : 80)}`;
}

function openClient(location: Location, place: string, tls: TransportOptions["tls"]): Client {
  const isSecure = location.kind === "address" && location.url.protocol === "https:";
  return new Client(place, isSecure ? secure(tls) : credentials.createInsecure(), {
    ...CHANNEL_OPTIONS,
    ...(isSecure &&
      tls?.servername !== undefined && {
        "grpc.ssl_target_name_override": tls.servername,
        "grpc.default_authority": tls.servername,
      }),
  });
}

function secure(tls: TransportOptions["tls"]): ChannelCredentials {
  const { ca, cert, key } = tls ?? {};
  const context = createSecureContext({
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
  });
  return credentials.createFromSecureContext(context);
}

const CHANNEL_OPTIONS: ChannelOptions = {
  "grpc-node.flow_control_window": STREAM_WINDOW_BYTES,
  "grpc.max_receive_message_length": 16 * 1024 * 1024,
  "grpc.max_send_message_length": 16 * 1024 * 1024,
  "grpc.keepalive_time_ms": 30_000,
  "grpc.keepalive_timeout_ms": 15_000,
  // A connection of this client alone, which `close` ends and whose failures hold nobody else up.
  "grpc.use_local_subchannel_pool": 1,
  // One policy of tries is enough (`with-policy.ts`).
  "grpc.enable_retries": 0,
  // As the Connect client: no proxy on the way to this host, no questions about service configurations.
  "grpc.enable_http_proxy": 0,
  "grpc.service_config_disable_resolution": 1,
};
