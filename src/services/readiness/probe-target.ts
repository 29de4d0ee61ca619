import { validateHeaderValue } from "node:http";
import { invalidField } from "../../errors.ts";
import type { ProbeCheck } from "../../model/service-spec.ts";
import { type PortNumbers, type ServicePlan, serviceUrl } from "../plan.ts";
import type { HttpQuestion } from "./attempt-http.ts";
import { isLoopback } from "./loopback.ts";
import type { ProbeHosts } from "./probe-hosts.ts";

/** What a service is asked before it counts as ready, rendered. */
export type ProbeTarget =
  | ({ readonly kind: "http"; readonly port: number } & HttpQuestion)
  | { readonly kind: "tcp"; readonly port: number }
  | { readonly kind: "exec"; readonly command: string }
  | { readonly kind: "log"; readonly pattern: string }
  | { readonly kind: "grpc"; readonly port: number; readonly service: string }
  /** Nothing to ask: ready once it has lived a moment. */
  | { readonly kind: "alive" };

/** The port of loopback that must accept before there is anything to ask; undefined: there is none. */
export function loopbackPort(target: ProbeTarget): number | undefined {
  switch (target.kind) {
    case "http":
      return isLoopback(target.url) ? target.port : undefined;
    case "tcp":
    case "grpc":
      return target.port;
    default:
      return undefined;
  }
}

/**
 * The probe's check; without one the service's port; without a port its being alive.
 * @throws RuntimeError INVALID_FIELD for a URL that is none, or that is not on an allowed host
 */
export function probeTarget(
  plan: ServicePlan,
  ports: PortNumbers,
  field: "readiness" | "liveness",
  hosts: ProbeHosts,
): ProbeTarget {
  const check = plan.spec[field]?.check;
  const mainPort = ports[""];
  switch (check?.kind) {
    case "http":
      return httpTarget(plan, ports, check, `${field}.http`, hosts);
    case "tcp":
      return { kind: "tcp", port: required(check.port ?? mainPort, `${field}.tcp.port`) };
    case "grpc":
      return {
        kind: "grpc",
        port: required(mainPort, `${field}.grpc`),
        service: check.service ?? "",
      };
    case "exec":
    case "log":
      return check;
    case undefined:
      return mainPort === undefined ? { kind: "alive" } : { kind: "tcp", port: mainPort };
  }
}

/** Says now what `probeTarget` would say once there is a process to be. */
export function checkProbeTargets(plan: ServicePlan, field: string, hosts: ProbeHosts): void {
  // Any number will do where the real one is not known yet.
  const numbers = Object.fromEntries(plan.ports.map(({ name, fixed }) => [name, fixed ?? 1]));
  for (const probe of ["readiness", "liveness"] as const) {
    const check = plan.spec[probe]?.check;
    if (check?.kind === "http") {
      httpTarget(plan, numbers, check, `${field}.${probe}.http`, hosts);
    }
  }
}

function httpTarget(
  plan: ServicePlan,
  ports: PortNumbers,
  check: Extract<ProbeCheck, { kind: "http" }>,
  field: string,
  hosts: ProbeHosts,
): ProbeTarget {
  const path = `${field}.url_template`;
  const { urlTemplate } = check;
  const text = urlTemplate ? plan.render(urlTemplate, ports, path) : serviceUrl(plan, ports);
  const url = httpUrl(text);
  if (!urlTemplate && (url === undefined || !hosts.allow(url))) {
    // What others reach it by is not ours to ask; its port is.
    if (ports[""] !== undefined) return { kind: "tcp", port: ports[""] };
    throw invalidField(path, "there is nothing to ask: give a URL here, or the service a port");
  }
  // The template, never what it was rendered to: that may hold a secret.
  if (url === undefined) throw invalidField(path, `"${urlTemplate}" is no http or https URL`);
  if (!hosts.allow(url)) {
    throw invalidField(
      path,
      `probes ask ${hosts.names} only, and "${urlTemplate}" is elsewhere: the server's --probe-host allows a further host`,
    );
  }
  return {
    kind: "http",
    url,
    port: Number(url.port || (url.protocol === "https:" ? 443 : 80)),
    expectedStatuses: check.expectedStatuses ?? [],
    headers: renderHeaders(plan, ports, check.headers ?? {}, field),
    expectJson: check.expectJson ?? {},
  };
}

function renderHeaders(
  plan: ServicePlan,
  ports: PortNumbers,
  headers: Readonly<Record<string, string>>,
  field: string,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, template]) => {
      const path = `${field}.headers["${name}"]`;
      const value = plan.render(template, ports, path);
      try {
        validateHeaderValue(name, value);
      } catch {
        throw invalidField(path, "a header's value must hold no control characters");
      }
      return [name, value];
    }),
  );
}

function httpUrl(text: string): URL | undefined {
  const url = URL.parse(text);
  return url !== null && /^https?:$/.test(url.protocol) ? url : undefined;
}

function required(port: number | undefined, field: string): number {
  if (port !== undefined) return port;
  throw invalidField(field, "the service has no port: give it one");
}
