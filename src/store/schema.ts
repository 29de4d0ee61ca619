import type { Kysely } from "kysely";

/** The store's tables, or one of its transactions, to query. */
export type Db = Kysely<Schema>;

/**
 * The tables as queries see them, the same on both databases: times are epoch ms, `Json` columns
 * are the text of JSON, an absent optional is NULL.
 */
export interface Schema {
  meta: MetaTable;
  revision: RevisionTable;
  changes: ChangeTable;
  project_workspaces: ProjectWorkspaceTable;
  workspaces: WorkspaceTable;
  services: ServiceTable;
  leases: LeaseTable;
  operations: OperationTable;
  ports: PortTable;
  requests: RequestTable;
}

/** Text of JSON. Neither driver parses it: one place does, the table's mapping. */
export type Json = string;

export interface MetaTable {
  key: string;
  value: string;
}

/** One row: the counter that every change of a resource advances, and every writer locks. */
export interface RevisionTable {
  id: number;
  value: number;
}

export interface ChangeTable {
  revision: number;
  type: string;
  kind: string;
  resource_id: string;
  company_id: string;
  resource: Json;
  previous: Json | null;
}

export interface ProjectWorkspaceTable {
  project_workspace_id: string;
  company_id: string;
  project_id: string;
  name: string;
  cwd: string;
  repo_url: string;
  repo_ref: string;
  cleanup_command: string;
  runtime_config: Json | null;
  desired_state: string | null;
  service_states: Json;
  labels: Json;
  create_time: number;
  update_time: number;
  revision: number;
}

export interface WorkspaceTable {
  workspace_id: string;
  company_id: string;
  project_id: string;
  project_workspace_id: string;
  name: string;
  issue_id: string | null;
  issue_identifier: string | null;
  issue_title: string | null;
  agent_id: string | null;
  agent_name: string | null;
  source: string;
  strategy: string;
  state: string;
  state_message: string;
  base_cwd: string;
  cwd: string;
  repo_root: string;
  git_common_dir: string;
  worktree_path: string;
  branch_name: string;
  repo_url: string;
  repo_ref: string;
  base_ref: string;
  base_commit: string;
  directory_created: boolean;
  branch_created: boolean;
  warnings: Json;
  git_worktree: Json | null;
  runtime_config: Json | null;
  desired_state: string | null;
  service_states: Json;
  labels: Json;
  rescue_ref: string;
  provision_pending: boolean;
  provision_fingerprint: string;
  node_id: string;
  create_time: number;
  update_time: number;
  last_used_time: number;
  cleanup_time: number | null;
  revision: number;
}

export interface ServiceTable {
  service_id: string;
  company_id: string;
  project_id: string;
  project_workspace_id: string;
  workspace_id: string;
  issue_id: string;
  service_name: string;
  state: string;
  health: string;
  state_reason: string | null;
  state_message: string;
  lifecycle: string;
  scope_type: string;
  scope_id: string;
  reuse_key: string;
  /** What `current` keeps one row of: see `identityOf`. */
  identity: string;
  command: string;
  cwd: string;
  port: number | null;
  ports: Json;
  url: string;
  provider: string;
  provider_ref: string;
  /** Whose report the row is; NULL for a local process. */
  adapter_type: string | null;
  owner_agent_id: string;
  started_by_run_id: string;
  stop_policy: Json;
  exit: Json | null;
  instance: number;
  restart_count: number;
  node_id: string;
  start_time: number | null;
  ready_time: number | null;
  stop_time: number | null;
  last_used_time: number;
  create_time: number;
  update_time: number;
  revision: number;
  diagnosis: Json | null;
  spec: Json;
}

export interface LeaseTable {
  lease_id: string;
  company_id: string;
  run_id: string;
  workspace_id: string;
  service_id: string;
  mode: string;
  ttl_ms: number;
  fencing_token: number;
  create_time: number;
  renew_time: number;
  expire_time: number | null;
  revision: number;
}

export interface OperationTable {
  operation_id: string;
  company_id: string;
  workspace_id: string;
  project_workspace_id: string;
  service_ids: Json;
  actor: Json | null;
  actor_run_id: string;
  issue_id: string;
  phase: string;
  command: string;
  message: string;
  cwd: string;
  status: string;
  exit_code: number | null;
  metadata: Json;
  stdout_excerpt: string;
  stderr_excerpt: string;
  stdout_bytes: number;
  stderr_bytes: number;
  node_id: string;
  start_time: number;
  end_time: number | null;
  revision: number;
}

export interface PortTable {
  node_id: string;
  port: number;
  company_id: string;
  scope_id: string;
  service_name: string;
  port_name: string;
  service_id: string;
  create_time: number;
}

export interface RequestTable {
  company_id: string;
  method: string;
  request_id: string;
  result: Json;
  create_time: number;
}
