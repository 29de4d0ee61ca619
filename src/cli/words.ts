import { homedir } from "node:os";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import {
  HealthStatus,
  type Service,
  type ServiceExit,
  ServiceState,
  StateReason,
} from "../client/index.ts";

/** "running", "running, unhealthy", "failed: exit code 3". */
export function stateOf(service: Service): string {
  const state = nameOf(ServiceState, service.state);
  const unhealthy =
    service.state === ServiceState.RUNNING && service.health === HealthStatus.UNHEALTHY;
  if (unhealthy) return `${state}, unhealthy`;
  if (service.state !== ServiceState.FAILED) return state;
  return `${state}: ${service.exit === undefined ? nameOf(StateReason, service.stateReason) : ended(service.exit)}`;
}

/** "exit code 3" or "SIGKILL". */
export function ended({ code, signal }: ServiceExit): string {
  if (signal !== "") return signal;
  return code === undefined ? "exit status lost" : `exit code ${code}`;
}

/** The name of an enum's value as people write it: "not ready". */
export function nameOf(names: Record<string, string | number>, value: number): string {
  const name = Object.keys(names).find((key) => names[key] === value) ?? String(value);
  return name.toLowerCase().replaceAll("_", " ");
}

/** Since `time`, to one unit: "42s", "5m", "3h", "2d"; "" for none. */
export function age(time: Service["startTime"], now = Date.now()): string {
  if (time === undefined) return "";
  const seconds = Math.max(0, Math.round((now - timestampDate(time).getTime()) / 1000));
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 7_200) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3_600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}

/** A path with `~` for the home directory. */
export function shortPath(path: string): string {
  const home = homedir();
  return path.startsWith(`${home}/`) ? `~${path.slice(home.length)}` : path;
}
