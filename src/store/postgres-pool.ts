import type { PostgresPool, PostgresPoolClient } from "kysely";
import pg from "pg";
import { fromPostgres, storeUnavailable } from "./store-errors.ts";

/** A query that the server itself does not end in time is given up, with its connection. */
const STATEMENT_TIMEOUT_MS = 7_000;
const QUERY_TIMEOUT_MS = 9_000;
/** How long a writer waits for another server's transaction. */
const LOCK_TIMEOUT_MS = 5_000;
const CONNECT_TIMEOUT_MS = 5_000;
const POOL_SIZE = 8;

const JSON_OID = 114;
const JSONB_OID = 3802;
const BIGINT_OID = 20;

/**
 * A pool whose connections work in `schema`, give JSON as its text and bigint as a number, and
 * fail as `fromPostgres` says. A server that goes away costs the calls in flight, not the process.
 */
export function createPostgresPool(url: string, schema: string): PostgresPool {
  const pool = new pg.Pool({
    ...withSessionOptions(url, [
      `search_path=${schema}`,
      `statement_timeout=${STATEMENT_TIMEOUT_MS}`,
      `lock_timeout=${LOCK_TIMEOUT_MS}`,
      `idle_in_transaction_session_timeout=${QUERY_TIMEOUT_MS}`,
    ]),
    max: POOL_SIZE,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: QUERY_TIMEOUT_MS,
    keepAlive: true,
    application_name: "workspace-runtime",
    types: { getTypeParser },
  });
  // An idle connection that the server closes is dropped by the pool; unheard, it would end us. So would one
  // that is closed while it changes hands: its end can come in the same packet as its readiness.
  pool.on("error", () => {});
  pool.on("connect", (client) => client.on("error", () => {}));

  return {
    async connect(): Promise<PostgresPoolClient> {
      try {
        return translating(await pool.connect());
      } catch (error) {
        throw fromPostgres(error);
      }
    },
    end: () => pool.end(),
    options: {},
  };
}

function translating(client: pg.PoolClient): PostgresPoolClient {
  let broken = false;
  // Between two queries of a transaction the connection's end is told by this event alone.
  const onError = () => {
    broken = true;
  };
  client.on("error", onError);
  return {
    async query(sql: unknown, parameters?: readonly unknown[]) {
      if (broken) throw storeUnavailable("the connection to the database was lost");
      try {
        return await client.query(sql as string, parameters?.map(toPostgresValue));
      } catch (error) {
        broken ||= (error as { severity?: unknown }).severity === undefined;
        throw fromPostgres(error);
      }
    },
    release(destroy?: boolean) {
      client.off("error", onError);
      client.release(broken || destroy === true);
    },
  } as unknown as PostgresPoolClient;
}

/** The URL's own `options` win: they come last. */
function withSessionOptions(url: string, settings: readonly string[]): pg.PoolConfig {
  const parsed = new URL(url);
  const given = parsed.searchParams.get("options") ?? "";
  const ours = settings.map((setting) => `-c ${setting}`).join(" ");
  parsed.searchParams.set("options", `${ours} ${given}`.trim());
  return { connectionString: parsed.href };
}

/** PostgreSQL's text cannot hold NUL; ids never have it, and an excerpt shows that one was there. */
function toPostgresValue(value: unknown): unknown {
  return typeof value === "string" && value.includes("\0")
    ? value.replaceAll("\0", "\uFFFD")
    : value;
}

function getTypeParser(oid: number, format?: "text" | "binary"): unknown {
  switch (oid) {
    case JSON_OID:
    case JSONB_OID:
      return (text: string) => text;
    case BIGINT_OID:
      return Number;
    default:
      return format === "binary"
        ? pg.types.getTypeParser(oid, "binary")
        : pg.types.getTypeParser(oid, "text");
  }
}
