/** What a service is asked to be, as callers give it: validated, not yet defaulted or rendered. */
export interface ServiceSpec {
  /** Default "service". */
  readonly name?: string;
  readonly process?: ServiceCommand;
  /** Relative to the workspace's cwd; a template. Default ".". */
  readonly cwd?: string;
  /** Values are templates. */
  readonly env?: Readonly<Record<string, string>>;
  readonly port?: PortSpec;
  readonly extraPorts?: Readonly<Record<string, PortSpec>>;
  readonly expose?: { readonly urlTemplate: string };
  readonly readiness?: Probe;
  readonly liveness?: Probe;
  /** Default SHARED. */
  readonly lifecycle?: Lifecycle;
  readonly reuseScope?: ScopeType;
  readonly stopPolicy?: StopPolicy;
  readonly stop?: StopSettings;
  readonly restart?: RestartPolicy;
  readonly dependsOn?: readonly Dependency[];
  readonly allowFailure?: boolean;
  readonly repairWorkspaceLinks?: boolean;
  readonly logs?: { readonly maxBytes?: number };
  /** Default OPEN. */
  readonly stdin?: "OPEN" | "NULL";
  readonly limits?: ResourceLimits;
  readonly adapterEnvMode?: "ALL" | "NONE" | "LISTED";
  readonly adapterEnvKeys?: readonly string[];
}

/** A shell command line, or arguments that no shell reads. */
export type ServiceCommand =
  | { readonly kind: "command"; readonly command: string }
  | { readonly kind: "argv"; readonly args: readonly string[] };

export interface PortSpec {
  /** "auto" takes a free one; a number is 1 to 65535. */
  readonly port: "auto" | number;
  /** Default PORT; for a named extra port PORT_<NAME>. */
  readonly envKey?: string;
}

export type Lifecycle = "SHARED" | "EPHEMERAL";
export type ScopeType = "PROJECT_WORKSPACE" | "EXECUTION_WORKSPACE" | "RUN" | "AGENT";

export type StopPolicy =
  | { readonly kind: "manual" }
  | { readonly kind: "on_run_finish" }
  /** Default 30 minutes. */
  | { readonly kind: "idle_timeout"; readonly idleMs?: number };

export interface StopSettings {
  /** Default "SIGTERM". */
  readonly signal?: string;
  /** Default 10 s; 0 kills at once. */
  readonly graceMs?: number;
}

export interface RestartPolicy {
  readonly mode: "NEVER" | "ON_FAILURE" | "ALWAYS";
  readonly maxRestarts?: number;
  readonly initialBackoffMs?: number;
  readonly maxBackoffMs?: number;
  readonly resetAfterMs?: number;
}

export interface Dependency {
  readonly name: string;
  readonly condition: "READY" | "STARTED";
}

export interface ResourceLimits {
  readonly memoryBytes?: number;
  readonly cpuMillis?: number;
  readonly pids?: number;
}

export interface Probe {
  readonly check?: ProbeCheck;
  /** For readiness the bound of the whole wait. Default 30 s. */
  readonly timeoutMs?: number;
  /** At most 500 ms between attempts. */
  readonly intervalMs?: number;
  /** Default 5 s. */
  readonly attemptTimeoutMs?: number;
  /** Default 3. */
  readonly failureThreshold?: number;
  /** Default OWN. */
  readonly listener?: "OWN" | "ANY";
}

export type ProbeCheck =
  | {
      readonly kind: "http";
      readonly urlTemplate?: string;
      readonly expectedStatuses?: readonly number[];
      readonly headers?: Readonly<Record<string, string>>;
      /** Path in the JSON body to the value expected there. */
      readonly expectJson?: Readonly<Record<string, string>>;
    }
  | { readonly kind: "tcp"; readonly port?: number }
  | { readonly kind: "exec"; readonly command: string }
  | { readonly kind: "log"; readonly pattern: string }
  | { readonly kind: "grpc"; readonly service?: string };
