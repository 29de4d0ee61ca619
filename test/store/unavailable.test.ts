import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { CompiledQuery, Kysely } from "kysely";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createSystemClock } from "../../src/clock.ts";
import { NodeSqliteDialect } from "../../src/store/node-sqlite-dialect.ts";
import { openStore } from "../../src/store/store.ts";
import { fromPostgres } from "../../src/store/store-errors.ts";
import { eventually } from "../support/eventually.ts";
import { createPostgresCluster } from "../support/postgres-cluster.ts";
import { newService, newWorkspace } from "./new-records.ts";

const clock = createSystemClock();
const nodeId = "n1";

describe("a PostgreSQL that is killed", { timeout: 120_000 }, () => {
  it("costs the calls in flight, and is used again when it is back", async () => {
    const cluster = await createPostgresCluster();
    const revisions: number[] = [];
    const store = await openStore({
      database: { kind: "postgres", url: cluster.url },
      clock,
      nodeId,
      onCommit: (changes) => void revisions.push(...changes.map(({ revision }) => revision)),
    });
    try {
      await store.services.insert(newService());
      const inFlight = store.transaction(async (tx) => {
        await tx.services.update("s1", { state: "STOPPING" });
        await cluster.crash();
        await tx.services.update("s1", { state: "STOPPED" });
      });
      const away = { reason: "STORE_UNAVAILABLE" };
      await expect(inFlight).rejects.toMatchObject(away);
      await expect(store.services.get("s1")).rejects.toMatchObject(away);
      await expect(store.workspaces.insert(newWorkspace())).rejects.toMatchObject(away);

      await cluster.start();
      await eventually(() => store.services.get("s1"));
      expect(await store.services.get("s1")).toMatchObject({ state: "RUNNING", revision: 1 });
      await store.services.update("s1", { state: "STOPPED" });
      expect(revisions).toEqual([1, 2]);
    } finally {
      await store.close();
      await cluster.remove();
    }
  });

  it("says what cannot be reached when it was never there", async () => {
    const url = "postgres://postgres@127.0.0.1:1/none";
    await expect(
      openStore({ database: { kind: "postgres", url }, clock, nodeId }),
    ).rejects.toMatchObject({ reason: "STORE_UNAVAILABLE" });
  });

  it.each([
    ["53100", "STORAGE_FULL"],
    ["53300", "STORE_UNAVAILABLE"],
    ["57P01", "STORE_UNAVAILABLE"],
    ["57014", "STORE_UNAVAILABLE"],
    ["55P03", "STORE_UNAVAILABLE"],
    ["40P01", "STORE_UNAVAILABLE"],
    ["08006", "STORE_UNAVAILABLE"],
    ["25006", "STORE_UNAVAILABLE"],
    ["58030", "STORE_UNAVAILABLE"],
  ])("gives %s as %s", (code, reason) => {
    expect(fromPostgres({ severity: "ERROR", code })).toMatchObject({ reason });
  });

  it("leaves an error of ours in a query as it is", () => {
    const error = { severity: "ERROR", code: "42P01" };
    expect(fromPostgres(error)).toBe(error);
  });
});

describe("a SQLite file", () => {
  let directory: string;
  let path: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "wr-sqlite-"));
    path = join(directory, "store.db");
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  it("that is none is refused by name and left as it is", async () => {
    writeFileSync(path, "this is not a database, but somebody's notes\n".repeat(50));
    const before = readFileSync(path);
    const opening = openStore({ database: { kind: "sqlite", path }, clock, nodeId });
    await expect(opening).rejects.toMatchObject({ reason: "STORE_UNAVAILABLE" });
    await expect(opening).rejects.toThrow(`Cannot open ${path}: the database file is damaged`);
    expect(readFileSync(path).equals(before)).toBe(true);
  });

  it("that is damaged inside is refused by name and left as it is", async () => {
    const store = await openStore({ database: { kind: "sqlite", path }, clock, nodeId });
    await store.workspaces.insert(newWorkspace());
    await store.close();
    const damaged = readFileSync(path);
    damaged.fill(0x55, 100, 8192);
    writeFileSync(path, damaged);
    const opening = openStore({ database: { kind: "sqlite", path }, clock, nodeId });
    await expect(opening).rejects.toMatchObject({ reason: "STORE_UNAVAILABLE" });
    await expect(opening).rejects.toThrow("damaged");
    expect(readFileSync(path).equals(damaged)).toBe(true);
  });

  it("that another process has locked is said to be so", async () => {
    const store = await openStore({ database: { kind: "sqlite", path }, clock, nodeId });
    const other = new DatabaseSync(path);
    other.exec("begin immediate");
    await expect(store.workspaces.insert(newWorkspace())).rejects.toMatchObject({
      reason: "STORE_UNAVAILABLE",
    });
    expect(await store.workspaces.get("w1")).toBeUndefined();
    other.close();
    expect((await store.workspaces.insert(newWorkspace())).inserted).toBe(true);
    await store.close();
  });

  it("is its owner's alone, with its side files", async () => {
    const store = await openStore({ database: { kind: "sqlite", path }, clock, nodeId });
    await store.workspaces.insert(newWorkspace());
    for (const file of [path, `${path}-wal`, `${path}-shm`]) {
      expect(statSync(file).mode & 0o777).toBe(0o600);
    }
    await store.close();
  });

  it("on a full disk fails as STORAGE_FULL, rolls back, and works again with space", async () => {
    const database = new DatabaseSync(path);
    database.exec("create table t (text text); pragma max_page_count = 20");
    const db = new Kysely<{ t: { text: string } }>({ dialect: new NodeSqliteDialect(database) });
    const fill = db.transaction().execute(async (trx) => {
      for (let index = 0; index < 100; index++) {
        await trx
          .insertInto("t")
          .values({ text: "x".repeat(4000) })
          .execute();
      }
    });
    await expect(fill).rejects.toMatchObject({ reason: "STORAGE_FULL" });
    expect(await db.selectFrom("t").selectAll().execute()).toEqual([]);
    await db.executeQuery(CompiledQuery.raw("pragma max_page_count = 1000"));
    await db.insertInto("t").values({ text: "x" }).execute();
    expect(await db.selectFrom("t").selectAll().execute()).toHaveLength(1);
    await db.destroy();
  });
});
