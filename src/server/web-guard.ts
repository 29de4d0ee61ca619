import { X509Certificate } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { isIP } from "node:net";

/** Why an HTTP request is refused with 403, or undefined. */
export type WebGuard = (request: IncomingMessage) => string | undefined;

export interface WebGuardOptions {
  /** As in --listen. */
  readonly listenHost: string;
  /** PEM. Names that the certificate stands for cannot be rebound: a browser would refuse them. */
  readonly certificate?: string | Buffer;
}

/**
 * Keeps web pages out. A page of another origin tells itself by its `Origin`; one that had its own
 * name point to this machine (DNS rebinding) by a `Host` that is none of ours.
 */
export function createWebGuard(options: WebGuardOptions): WebGuard {
  const certificate = options.certificate ? new X509Certificate(options.certificate) : undefined;
  const listenHost = bare(options.listenHost);

  const isOurs = (host: string, request: IncomingMessage) =>
    isLoopbackHost(host) ||
    host === listenHost ||
    // An address is nobody's name to rebind, but only the one that was really dialled is ours.
    (isIP(host) !== 0 && sameAddress(host, request.socket.localAddress)) ||
    certificate?.checkHost(host) !== undefined;

  return (request) => {
    const host = hostOf(`http://${request.headers.host ?? ""}`);
    if (host === undefined || !isOurs(host, request))
      return "the Host header names no host of this server";
    const { origin } = request.headers;
    if (origin !== undefined && origin.toLowerCase() !== ownOrigin(request)) {
      return "pages of another origin may not call this server";
    }
    return undefined;
  };
}

/** `localhost`, `*.localhost`, 127.0.0.0/8 and ::1, with or without brackets. */
export function isLoopbackHost(host: string): boolean {
  const name = bare(host);
  return (
    name === "localhost" ||
    name.endsWith(".localhost") ||
    name === "::1" ||
    (isIP(name) === 4 && name.startsWith("127."))
  );
}

function ownOrigin(request: IncomingMessage): string {
  const scheme = "encrypted" in request.socket ? "https" : "http";
  return `${scheme}://${request.headers.host ?? ""}`.toLowerCase();
}

function hostOf(url: string): string | undefined {
  return URL.canParse(url) ? bare(new URL(url).hostname) : undefined;
}

function bare(host: string): string {
  return host
    .toLowerCase()
    .replace(/^\[|\]$/g, "")
    .replace(/\.$/, "");
}

/** A dual-stack socket reports IPv4 peers as ::ffff:a.b.c.d. */
function sameAddress(host: string, localAddress: string | undefined): boolean {
  return localAddress?.replace(/^::ffff:/, "") === host;
}
