import { invalidField } from "../../errors.ts";
import { type PortNumbers, type ServicePlan, serviceUrl } from "../plan.ts";
import { isLoopback } from "./attempt.ts";

/** What a service is asked before it counts as ready, rendered. */
export type ProbeTarget =
  | {
      readonly kind: "http";
      readonly url: URL;
      readonly port: number;
      readonly expectedStatuses: readonly number[];
      readonly headers: Readonly<Record<string, string>>;
    }
  | { readonly kind: "tcp"; readonly port: number }
  /** Nothing to ask: ready once it has lived a moment. */
  | { readonly kind: "alive" };

/**
 * The probe's check; without one the service's port; without a port its being alive.
 * @throws RuntimeError INVALID_FIELD for a URL that is none, or that is not on this machine.
 */
export function probeTarget(
  plan: ServicePlan,
  ports: PortNumbers,
  field: "readiness" | "liveness",
): ProbeTarget {
  const check = plan.spec[field]?.check;
  const mainPort = ports[""];
  if (check?.kind === "http") {
    const path = `${field}.http.url_template`;
    const template = check.urlTemplate || plan.spec.expose?.urlTemplate || "";
    const text = check.urlTemplate
      ? plan.render(check.urlTemplate, ports, path)
      : serviceUrl(plan, ports);
    const url = parseUrl(text, template, path);
    return {
      kind: "http",
      url,
      port: Number(url.port || (url.protocol === "https:" ? 443 : 80)),
      expectedStatuses: check.expectedStatuses ?? [],
      headers: check.headers ?? {},
    };
  }
  if (check?.kind === "tcp") {
    const port = check.port ?? mainPort;
    if (port === undefined) {
      throw invalidField(`${field}.tcp.port`, "the service has no port: name one here");
    }
    return { kind: "tcp", port };
  }
  return mainPort === undefined ? { kind: "alive" } : { kind: "tcp", port: mainPort };
}

/** Told as its template: what that renders to may hold a secret. */
function parseUrl(text: string, template: string, field: string): URL {
  const url = URL.parse(text);
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:")) {
    throw invalidField(field, `"${template}" is no http or https URL`);
  }
  if (!isLoopback(url)) {
    throw invalidField(field, `"${template}" is not on this machine: probes ask loopback only`);
  }
  return url;
}
