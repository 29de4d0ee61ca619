import type { Kysely } from "kysely";
import { sql } from "kysely";
import type { Migration } from "kysely/migration";
import type { ColumnTypes } from "../dialect.ts";

/** Every table of the first release. */
export function createInitialMigration({ id, json, labels }: ColumnTypes): Migration {
  return {
    async up(db: Kysely<unknown>): Promise<void> {
      const { schema } = db;

      await schema
        .createTable("meta")
        .addColumn("key", "text", (c) => c.primaryKey())
        .addColumn("value", "text", (c) => c.notNull())
        .execute();

      await schema
        .createTable("revision")
        .addColumn("id", "integer", (c) => c.primaryKey())
        .addColumn("value", "bigint", (c) => c.notNull())
        .execute();
      await sql`insert into revision (id, value) values (1, 0)`.execute(db);

      await schema
        .createTable("changes")
        .addColumn("revision", "bigint", (c) => c.primaryKey())
        .addColumn("type", "text", (c) => c.notNull())
        .addColumn("kind", "text", (c) => c.notNull())
        .addColumn("resource_id", "text", (c) => c.notNull())
        .addColumn("company_id", "text", (c) => c.notNull())
        .addColumn("resource", json, (c) => c.notNull())
        .addColumn("previous", json)
        .execute();

      await schema
        .createTable("project_workspaces")
        .addColumn("project_workspace_id", id, (c) => c.primaryKey())
        .addColumn("company_id", "text", (c) => c.notNull())
        .addColumn("project_id", "text", (c) => c.notNull())
        .addColumn("name", "text", (c) => c.notNull())
        .addColumn("cwd", "text", (c) => c.notNull())
        .addColumn("repo_url", "text", (c) => c.notNull())
        .addColumn("repo_ref", "text", (c) => c.notNull())
        .addColumn("cleanup_command", "text", (c) => c.notNull())
        .addColumn("runtime_config", json)
        .addColumn("desired_state", "text")
        .addColumn("service_states", json, (c) => c.notNull())
        .addColumn("labels", labels, (c) => c.notNull())
        .addColumn("create_time", "bigint", (c) => c.notNull())
        .addColumn("update_time", "bigint", (c) => c.notNull())
        .addColumn("revision", "bigint", (c) => c.notNull())
        .execute();
      await schema
        .createIndex("project_workspaces_newest")
        .on("project_workspaces")
        .columns(["company_id", "create_time", "project_workspace_id"])
        .execute();

      await schema
        .createTable("workspaces")
        .addColumn("workspace_id", id, (c) => c.primaryKey())
        .addColumn("company_id", "text", (c) => c.notNull())
        .addColumn("project_id", "text", (c) => c.notNull())
        .addColumn("project_workspace_id", "text", (c) => c.notNull())
        .addColumn("name", "text", (c) => c.notNull())
        .addColumn("issue_id", "text")
        .addColumn("issue_identifier", "text")
        .addColumn("issue_title", "text")
        .addColumn("agent_id", "text")
        .addColumn("agent_name", "text")
        .addColumn("source", "text", (c) => c.notNull())
        .addColumn("strategy", "text", (c) => c.notNull())
        .addColumn("state", "text", (c) => c.notNull())
        .addColumn("state_message", "text", (c) => c.notNull())
        .addColumn("base_cwd", "text", (c) => c.notNull())
        .addColumn("cwd", "text", (c) => c.notNull())
        .addColumn("repo_root", "text", (c) => c.notNull())
        .addColumn("git_common_dir", "text", (c) => c.notNull())
        .addColumn("worktree_path", "text", (c) => c.notNull())
        .addColumn("branch_name", "text", (c) => c.notNull())
        .addColumn("repo_url", "text", (c) => c.notNull())
        .addColumn("repo_ref", "text", (c) => c.notNull())
        .addColumn("base_ref", "text", (c) => c.notNull())
        .addColumn("base_commit", "text", (c) => c.notNull())
        .addColumn("directory_created", "boolean", (c) => c.notNull())
        .addColumn("branch_created", "boolean", (c) => c.notNull())
        .addColumn("warnings", json, (c) => c.notNull())
        .addColumn("git_worktree", json)
        .addColumn("runtime_config", json)
        .addColumn("desired_state", "text")
        .addColumn("service_states", json, (c) => c.notNull())
        .addColumn("labels", labels, (c) => c.notNull())
        .addColumn("rescue_ref", "text", (c) => c.notNull())
        .addColumn("provision_pending", "boolean", (c) => c.notNull())
        .addColumn("provision_fingerprint", "text", (c) => c.notNull())
        .addColumn("node_id", "text", (c) => c.notNull())
        .addColumn("create_time", "bigint", (c) => c.notNull())
        .addColumn("update_time", "bigint", (c) => c.notNull())
        .addColumn("last_used_time", "bigint", (c) => c.notNull())
        .addColumn("cleanup_time", "bigint")
        .addColumn("revision", "bigint", (c) => c.notNull())
        .execute();
      await schema
        .createIndex("workspaces_newest")
        .on("workspaces")
        .columns(["company_id", "create_time", "workspace_id"])
        .execute();
      await sql`create unique index workspaces_one_live_branch
        on workspaces (company_id, git_common_dir, branch_name)
        where strategy = 'GIT_WORKTREE' and state <> 'ARCHIVED'`.execute(db);
      await sql`create index workspaces_live_path
        on workspaces (worktree_path) where state <> 'ARCHIVED'`.execute(db);
      await sql`create index workspaces_live_base
        on workspaces (company_id, base_cwd, create_time, workspace_id) where state <> 'ARCHIVED'`.execute(
        db,
      );

      await schema
        .createTable("services")
        .addColumn("service_id", id, (c) => c.primaryKey())
        .addColumn("company_id", "text", (c) => c.notNull())
        .addColumn("project_id", "text", (c) => c.notNull())
        .addColumn("project_workspace_id", "text", (c) => c.notNull())
        .addColumn("workspace_id", "text", (c) => c.notNull())
        .addColumn("issue_id", "text", (c) => c.notNull())
        .addColumn("service_name", "text", (c) => c.notNull())
        .addColumn("state", "text", (c) => c.notNull())
        .addColumn("health", "text", (c) => c.notNull())
        .addColumn("state_reason", "text")
        .addColumn("state_message", "text", (c) => c.notNull())
        .addColumn("lifecycle", "text", (c) => c.notNull())
        .addColumn("scope_type", "text", (c) => c.notNull())
        .addColumn("scope_id", "text", (c) => c.notNull())
        .addColumn("reuse_key", "text", (c) => c.notNull())
        .addColumn("identity", "text", (c) => c.notNull())
        .addColumn("command", "text", (c) => c.notNull())
        .addColumn("cwd", "text", (c) => c.notNull())
        .addColumn("port", "integer")
        .addColumn("ports", json, (c) => c.notNull())
        .addColumn("url", "text", (c) => c.notNull())
        .addColumn("provider", "text", (c) => c.notNull())
        .addColumn("provider_ref", "text", (c) => c.notNull())
        .addColumn("owner_agent_id", "text", (c) => c.notNull())
        .addColumn("started_by_run_id", "text", (c) => c.notNull())
        .addColumn("stop_policy", json, (c) => c.notNull())
        .addColumn("exit", json)
        .addColumn("instance", "integer", (c) => c.notNull())
        .addColumn("restart_count", "integer", (c) => c.notNull())
        .addColumn("node_id", "text", (c) => c.notNull())
        .addColumn("start_time", "bigint")
        .addColumn("ready_time", "bigint")
        .addColumn("stop_time", "bigint")
        .addColumn("last_used_time", "bigint", (c) => c.notNull())
        .addColumn("create_time", "bigint", (c) => c.notNull())
        .addColumn("update_time", "bigint", (c) => c.notNull())
        .addColumn("revision", "bigint", (c) => c.notNull())
        .addColumn("diagnosis", json)
        .addColumn("spec", json, (c) => c.notNull())
        .execute();
      await schema
        .createIndex("services_newest")
        .on("services")
        .columns(["company_id", "create_time", "service_id"])
        .execute();
      await schema
        .createIndex("services_identity")
        .on("services")
        .columns(["company_id", "identity", "create_time", "service_id"])
        .execute();
      await schema
        .createIndex("services_workspace")
        .on("services")
        .column("workspace_id")
        .execute();
      await schema
        .createIndex("services_project_workspace")
        .on("services")
        .column("project_workspace_id")
        .execute();
      await schema
        .createIndex("services_started_by")
        .on("services")
        .column("started_by_run_id")
        .execute();
      await sql`create unique index services_one_live
        on services (company_id, reuse_key)
        where provider = 'LOCAL_PROCESS' and reuse_key <> ''
          and state in ('STARTING', 'RUNNING', 'STOPPING', 'BACKOFF')`.execute(db);
      await schema
        .createIndex("services_state")
        .on("services")
        .columns(["node_id", "state"])
        .execute();

      await schema
        .createTable("leases")
        .addColumn("lease_id", id, (c) => c.primaryKey())
        .addColumn("company_id", "text", (c) => c.notNull())
        .addColumn("run_id", "text", (c) => c.notNull())
        .addColumn("workspace_id", "text", (c) => c.notNull())
        .addColumn("service_id", "text", (c) => c.notNull())
        .addColumn("mode", "text", (c) => c.notNull())
        .addColumn("ttl_ms", "bigint", (c) => c.notNull())
        .addColumn("fencing_token", "bigint", (c) => c.notNull())
        .addColumn("create_time", "bigint", (c) => c.notNull())
        .addColumn("renew_time", "bigint", (c) => c.notNull())
        .addColumn("expire_time", "bigint")
        .addColumn("revision", "bigint", (c) => c.notNull())
        .addUniqueConstraint("leases_one_claim", ["run_id", "workspace_id", "service_id"])
        .execute();
      await schema
        .createIndex("leases_newest")
        .on("leases")
        .columns(["company_id", "create_time", "lease_id"])
        .execute();
      await schema.createIndex("leases_workspace").on("leases").column("workspace_id").execute();
      await schema.createIndex("leases_service").on("leases").column("service_id").execute();
      await schema.createIndex("leases_expire").on("leases").column("expire_time").execute();

      await schema
        .createTable("operations")
        .addColumn("operation_id", id, (c) => c.primaryKey())
        .addColumn("company_id", "text", (c) => c.notNull())
        .addColumn("workspace_id", "text", (c) => c.notNull())
        .addColumn("project_workspace_id", "text", (c) => c.notNull())
        .addColumn("service_ids", json, (c) => c.notNull())
        .addColumn("actor", json)
        .addColumn("actor_run_id", "text", (c) => c.notNull())
        .addColumn("issue_id", "text", (c) => c.notNull())
        .addColumn("phase", "text", (c) => c.notNull())
        .addColumn("command", "text", (c) => c.notNull())
        .addColumn("message", "text", (c) => c.notNull())
        .addColumn("cwd", "text", (c) => c.notNull())
        .addColumn("status", "text", (c) => c.notNull())
        .addColumn("exit_code", "integer")
        .addColumn("metadata", json, (c) => c.notNull())
        .addColumn("stdout_excerpt", "text", (c) => c.notNull())
        .addColumn("stderr_excerpt", "text", (c) => c.notNull())
        .addColumn("stdout_bytes", "bigint", (c) => c.notNull())
        .addColumn("stderr_bytes", "bigint", (c) => c.notNull())
        .addColumn("node_id", "text", (c) => c.notNull())
        .addColumn("start_time", "bigint", (c) => c.notNull())
        .addColumn("end_time", "bigint")
        .addColumn("revision", "bigint", (c) => c.notNull())
        .execute();
      await schema
        .createIndex("operations_newest")
        .on("operations")
        .columns(["company_id", "start_time", "operation_id"])
        .execute();
      await schema
        .createIndex("operations_workspace")
        .on("operations")
        .column("workspace_id")
        .execute();
      await schema.createIndex("operations_run").on("operations").column("actor_run_id").execute();
      await sql`create index operations_running
        on operations (node_id) where status = 'RUNNING'`.execute(db);

      await schema
        .createTable("ports")
        .addColumn("node_id", "text", (c) => c.notNull())
        .addColumn("port", "integer", (c) => c.notNull())
        .addColumn("company_id", "text", (c) => c.notNull())
        .addColumn("scope_id", "text", (c) => c.notNull())
        .addColumn("service_name", "text", (c) => c.notNull())
        .addColumn("port_name", "text", (c) => c.notNull())
        .addColumn("service_id", "text", (c) => c.notNull())
        .addColumn("create_time", "bigint", (c) => c.notNull())
        .addPrimaryKeyConstraint("ports_one_owner", ["node_id", "port"])
        .addUniqueConstraint("ports_one_port", [
          "node_id",
          "company_id",
          "scope_id",
          "service_name",
          "port_name",
        ])
        .execute();

      await schema
        .createTable("requests")
        .addColumn("company_id", "text", (c) => c.notNull())
        .addColumn("method", "text", (c) => c.notNull())
        .addColumn("request_id", "text", (c) => c.notNull())
        .addColumn("result", json, (c) => c.notNull())
        .addColumn("create_time", "bigint", (c) => c.notNull())
        .addPrimaryKeyConstraint("requests_one_result", ["company_id", "method", "request_id"])
        .execute();
      await schema.createIndex("requests_age").on("requests").column("create_time").execute();
    },
  };
}
