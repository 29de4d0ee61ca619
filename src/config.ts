import { readFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import type { StopPolicy } from "./model/service-spec.ts";

/** Everything that a server can be told; every default is written here. */
export interface Config {
  readonly listen: { readonly host: string; readonly port: number };
  readonly dataDir: string;
  /** "" means SQLite in the data directory. */
  readonly databaseUrl: string;
  readonly allowRoots: readonly string[];
  readonly shell: string;
  readonly envPrefix: string;
  readonly passEnv: readonly string[];
  /** Host names that probes may ask beyond loopback, as they stand in a URL. */
  readonly probeHosts: readonly string[];
  /** "" means `<repo root>/.paperclip/worktrees`. */
  readonly worktreeDir: string;
  /** Absent: whatever the kernel gives. */
  readonly portRange?: { readonly first: number; readonly last: number };
  readonly gitTimeoutMs: number;
  /** 0: leases never expire. */
  readonly defaultLeaseTtlMs: number;
  readonly defaultStopPolicy: StopPolicy;
  readonly stopServicesOnExit: boolean;
  readonly repoHooks: boolean;
  readonly insecureListen: boolean;
  readonly tlsCert: string;
  readonly tlsKey: string;
  readonly tlsClientCa: string;
  readonly logLevel: string;
}

/** How one setting is written as a flag; its variable and file key follow from the name. */
export interface Setting {
  readonly flag: string;
  readonly argument?: string;
  readonly repeatable?: boolean;
  readonly description: string;
}

export const settings: readonly Setting[] = [
  {
    flag: "listen",
    argument: "HOST:PORT",
    description: "where to listen; port 0 picks one (127.0.0.1:7433)",
  },
  {
    flag: "data-dir",
    argument: "DIR",
    description: "where rows, logs and the token live ($XDG_STATE_HOME/workspace-runtime)",
  },
  {
    flag: "database-url",
    argument: "URL",
    description: "postgres://… instead of SQLite in the data directory",
  },
  {
    flag: "allow-root",
    argument: "DIR",
    repeatable: true,
    description: "where workspaces may lie (the home and temporary directories)",
  },
  { flag: "shell", argument: "PATH", description: "runs commands as PATH -c COMMAND (/bin/sh)" },
  {
    flag: "env-prefix",
    argument: "PREFIX",
    description: "of the variables that commands are given (PAPERCLIP_)",
  },
  {
    flag: "pass-env",
    argument: "NAME",
    repeatable: true,
    description: "a variable of the server that every child gets",
  },
  {
    flag: "probe-host",
    argument: "HOST",
    repeatable: true,
    description: "a host that probes may ask beyond loopback, on any port",
  },
  {
    flag: "worktree-dir",
    argument: "DIR",
    description: "parent of worktrees (<repository>/.paperclip/worktrees)",
  },
  {
    flag: "port-range",
    argument: "FIRST-LAST",
    description: "where automatic ports are taken from (20000-32767 on most hosts)",
  },
  { flag: "git-timeout", argument: "SPAN", description: "bound of one git command (10m)" },
  {
    flag: "default-lease-ttl",
    argument: "SPAN",
    description: "life of a lease that is not renewed; 0: for ever (24h)",
  },
  {
    flag: "default-stop-policy",
    argument: "POLICY",
    description: "manual or idle_timeout, for services that name none (manual)",
  },
  {
    flag: "stop-services-on-exit",
    description: "stop the services when the server is asked to end",
  },
  {
    flag: "no-repo-hooks",
    description: "run no hooks and filters of repositories when making worktrees",
  },
  { flag: "insecure-listen", description: "allow a non-loopback address without TLS" },
  { flag: "tls-cert", argument: "FILE", description: "PEM certificate chain" },
  { flag: "tls-key", argument: "FILE", description: "PEM private key" },
  {
    flag: "tls-client-ca",
    argument: "FILE",
    description: "PEM authorities that clients' certificates must come from",
  },
  {
    flag: "log-level",
    argument: "LEVEL",
    description: "trace, debug, info, warn, error, fatal, silent (info)",
  },
];

/** A mistake in a setting, told with its name and what to do. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

type Raw = string | boolean | readonly string[];

/**
 * Flag over variable over file over default. `flags` are keyed by the flag's name.
 * @throws ConfigError naming the setting.
 */
export function loadConfig(
  flags: Readonly<Record<string, Raw | undefined>>,
  environment: Readonly<Record<string, string | undefined>>,
): Config {
  const file = readConfigFile(text(flags.config) || environment.WORKSPACE_RUNTIME_CONFIG || "");
  const raw = (name: string): Raw | undefined =>
    flags[name] ?? environment[variableOf(name)] ?? file[name];
  const string = (name: string, fallback: string) => text(raw(name)) || fallback;
  const list = (name: string, separator: string): string[] => {
    const value = raw(name);
    if (Array.isArray(value)) return value.map(String);
    return text(value).split(separator).filter(Boolean);
  };
  const allowRoots = list("allow-root", delimiter).map((root) => resolve(root));
  const portRange = parsePortRange(string("port-range", ""));
  const config: Config = {
    listen: parseListen(string("listen", "127.0.0.1:7433")),
    dataDir: resolve(string("data-dir", defaultDataDir(environment))),
    databaseUrl: string("database-url", ""),
    allowRoots: allowRoots.length > 0 ? allowRoots : [homedir(), tmpdir()],
    shell: string("shell", "/bin/sh"),
    envPrefix: string("env-prefix", "PAPERCLIP_"),
    passEnv: list("pass-env", ","),
    probeHosts: list("probe-host", ",").map(parseProbeHost),
    worktreeDir: string("worktree-dir", ""),
    ...(portRange === undefined ? {} : { portRange }),
    gitTimeoutMs: parseSpan("git-timeout", string("git-timeout", "10m")),
    defaultLeaseTtlMs: parseSpan("default-lease-ttl", string("default-lease-ttl", "24h")),
    defaultStopPolicy: parseStopPolicy(string("default-stop-policy", "manual")),
    stopServicesOnExit: isOn(raw("stop-services-on-exit")),
    repoHooks: !isOn(raw("no-repo-hooks")),
    insecureListen: isOn(raw("insecure-listen")),
    tlsCert: string("tls-cert", ""),
    tlsKey: string("tls-key", ""),
    tlsClientCa: string("tls-client-ca", ""),
    logLevel: string("log-level", "info"),
  };
  check(config);
  return config;
}

/** `$XDG_STATE_HOME/workspace-runtime`, else `~/.local/state/workspace-runtime`. */
export function defaultDataDir(environment: Readonly<Record<string, string | undefined>>): string {
  const home = environment.HOME || homedir();
  const state = environment.XDG_STATE_HOME || join(home, ".local", "state");
  return join(state, "workspace-runtime");
}

export function variableOf(flag: string): string {
  return `WORKSPACE_RUNTIME_${flag.toUpperCase().replaceAll("-", "_")}`;
}

function check(config: Config): void {
  if ((config.tlsCert === "") !== (config.tlsKey === "")) {
    throw new ConfigError("--tls-cert and --tls-key go together: give both or neither");
  }
  if (config.tlsClientCa !== "" && config.tlsCert === "") {
    throw new ConfigError("--tls-client-ca needs --tls-cert and --tls-key");
  }
  const loopback = /^(127(\.\d+){3}|localhost|::1)$/.test(config.listen.host);
  if (!loopback && config.tlsCert === "" && !config.insecureListen) {
    throw new ConfigError(
      `--listen ${config.listen.host} can be reached from other machines: give --tls-cert and --tls-key, or say --insecure-listen`,
    );
  }
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(config.envPrefix)) {
    throw new ConfigError(`--env-prefix ${config.envPrefix} is no start of a variable's name`);
  }
  if (!["trace", "debug", "info", "warn", "error", "fatal", "silent"].includes(config.logLevel)) {
    throw new ConfigError(
      `--log-level ${config.logLevel} is none of trace, debug, info, warn, error, fatal, silent`,
    );
  }
}

function readConfigFile(path: string): Record<string, Raw> {
  if (path === "") return {};
  let parsed: unknown;
  try {
    parsed = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    throw new ConfigError(`--config ${path} cannot be read: ${(error as Error).message}`);
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) {
    throw new ConfigError(`--config ${path} must hold one JSON object`);
  }
  const known = new Set(settings.map((setting) => setting.flag));
  for (const [key, value] of Object.entries(parsed)) {
    if (!known.has(key)) throw new ConfigError(`--config ${path}: unknown key "${key}"`);
    const listed = Array.isArray(value) && value.every((item) => typeof item === "string");
    if (!listed && !["string", "boolean", "number"].includes(typeof value)) {
      throw new ConfigError(`--config ${path}: "${key}" must be a text, a list of texts or true`);
    }
  }
  return parsed as Record<string, Raw>;
}

function parseListen(value: string): { host: string; port: number } {
  const match = /^(?:\[(?<v6>[^\]]+)\]|(?<host>[^:]*)):(?<port>\d+)$/.exec(value);
  const port = Number(match?.groups?.port);
  if (match === null || port > 65535) {
    throw new ConfigError(`--listen ${value} is not HOST:PORT`);
  }
  return { host: match.groups?.v6 ?? (match.groups?.host || "127.0.0.1"), port };
}

/** As a URL has it: in lower case, an IPv6 address without brackets. */
function parseProbeHost(value: string): string {
  const bare = value.trim();
  const url = URL.parse(
    `http://${bare.includes(":") && !bare.startsWith("[") ? `[${bare}]` : bare}`,
  );
  if (url === null || url.pathname !== "/" || url.port !== "" || url.username !== "") {
    throw new ConfigError(`--probe-host ${value} is no host: write api.example.test or 10.0.0.7`);
  }
  return url.hostname.replace(/^\[|\]$/g, "");
}

function parsePortRange(value: string): { first: number; last: number } | undefined {
  if (value === "") return undefined;
  const match = /^(\d+)-(\d+)$/.exec(value);
  const [first, last] = [Number(match?.[1]), Number(match?.[2])];
  if (match === null || first < 1024 || last > 65535 || first > last) {
    throw new ConfigError(`--port-range ${value} is not FIRST-LAST within 1024-65535`);
  }
  return { first, last };
}

const UNITS_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

export function parseSpan(name: string, value: string): number {
  if (value === "0") return 0;
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(value);
  const unit = UNITS_MS[match?.[2] ?? ""];
  if (match === null || unit === undefined) {
    throw new ConfigError(`--${name} ${value} is no span: write 30s, 10m, 24h or 7d`);
  }
  return Number(match[1]) * unit;
}

function parseStopPolicy(value: string): StopPolicy {
  if (value === "manual" || value === "idle_timeout") return { kind: value };
  throw new ConfigError(`--default-stop-policy ${value} is neither manual nor idle_timeout`);
}

function isOn(value: Raw | undefined): boolean {
  return value === true || value === "true" || value === "1";
}

function text(value: Raw | undefined): string {
  return typeof value === "string" ? value.trim() : typeof value === "number" ? String(value) : "";
}
