import { isLoopback } from "./loopback.ts";

/** Where probes may go: this machine, and what `--probe-host` names. */
export interface ProbeHosts {
  allow(url: URL): boolean;
  /** For the sentence that refuses one. */
  readonly names: string;
}

/** A spec must not make the server call elsewhere. `allowed` are host names, each on any port. */
export function createProbeHosts(allowed: readonly string[]): ProbeHosts {
  const hosts = new Set(allowed.map((host) => host.toLowerCase()));
  return {
    allow: (url) => isLoopback(url) || hosts.has(url.hostname.replace(/^\[|\]$/g, "")),
    names: ["loopback", ...hosts].join(", "),
  };
}

/** As it may stand in an error or a log: a query string or a password may be a secret. */
export function shown(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname}`;
}
