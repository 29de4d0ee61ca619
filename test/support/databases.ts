import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import pg from "pg";
import { inject } from "vitest";
import type { DatabaseLocation } from "../../src/store/database.ts";

/** An empty database of one test. */
export interface TestDatabase {
  readonly location: DatabaseLocation;
  remove(): Promise<void>;
}

/** For `describe.each`: what holds on one database must hold on the other. */
export const databases = [
  { name: "SQLite", create: createSqliteDatabase },
  { name: "PostgreSQL", create: createPostgresDatabase },
] as const;

export async function createSqliteDatabase(): Promise<TestDatabase> {
  const directory = mkdtempSync(join(tmpdir(), "wr-store-"));
  return {
    location: { kind: "sqlite", path: join(directory, "store.db") },
    remove: async () => rmSync(directory, { recursive: true, force: true }),
  };
}

/** A schema of its own in the run's PostgreSQL. */
export async function createPostgresDatabase(): Promise<TestDatabase> {
  const url = await postgresUrl();
  const schema = `test_${randomUUID().replaceAll("-", "")}`;
  return {
    location: { kind: "postgres", url, schema },
    async remove() {
      const client = new pg.Client({ connectionString: url });
      await client.connect();
      await client.query(`drop schema if exists "${schema}" cascade`);
      await client.end();
    },
  };
}

/** The run's PostgreSQL: started when it is first asked for. */
async function postgresUrl(): Promise<string> {
  const answer = await text(connect(inject("postgres"), "127.0.0.1"));
  if (answer.startsWith("!")) throw new Error(`PostgreSQL: ${answer.slice(1)}`);
  return answer;
}
