import { readFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import pg from "pg";
import { describe, expect, it } from "vitest";
import { newService, newWorkspace } from "../store/new-records.ts";
import { useStore } from "../store/use-store.ts";
import { databases, type TestDatabase } from "../support/databases.ts";

describe.each(databases)("a store of another version on $name", (database) => {
  const fixture = useStore(database);

  it("is refused when it is newer, by name, and left as it is", async () => {
    const { store, open, database: place } = fixture();
    await store.workspaces.insert(newWorkspace());
    await store.close();
    const newer = "9999_from_the_future";
    await change(place, `insert into migrations (name, timestamp) values ('${newer}', '2030')`);
    const before = contentOf(place);
    await expect(open()).rejects.toMatchObject({ reason: "STORE_UNAVAILABLE" });
    await expect(open()).rejects.toThrow(
      `written by a newer version of workspace-runtime: it has schema ${newer}`,
    );
    expect(contentOf(place)).toEqual(before);

    await change(place, `delete from migrations where name = '${newer}'`);
    expect(await (await open()).workspaces.get("w1")).toMatchObject({ revision: 1 });
  });

  it("is the same after a second start: nothing is migrated twice", async () => {
    const { store, open } = fixture();
    await store.workspaces.insert(newWorkspace());
    await store.close();
    const next = await open();
    expect(await next.workspaces.get("w1")).toMatchObject({ revision: 1 });
  });

  it("of the first release keeps its rows, and takes what adapters report from then on", async () => {
    const { store, open, database: place } = fixture();
    await store.workspaces.insert(newWorkspace());
    const { record } = await store.services.insert(newService({ exit: { exitTime: 7, code: 3 } }));
    await store.close();
    await change(place, "alter table services drop column adapter_type");
    await change(place, "delete from migrations where name = '0002_adapter_type'");

    const migrated = await open();
    expect(await migrated.services.get("s1")).toEqual(record);
    expect(await migrated.workspaces.get("w1")).toMatchObject({ revision: 1 });
    const reported = newService({
      serviceId: "reported",
      provider: "ADAPTER_MANAGED",
      adapterType: "docker",
    });
    await migrated.services.insert(reported);
    await migrated.services.update("s1", { state: "STOPPED" });
    expect(await migrated.services.get("reported")).toMatchObject({ adapterType: "docker" });
    expect(await migrated.services.get("s1")).not.toHaveProperty("adapterType");
  });

  it("is migrated once by servers that start at the same time", async () => {
    const place = await database.create();
    // A SQLite has one server at a time: the data directory's lock sees to it.
    const count = database.name === "SQLite" ? 1 : 4;
    const { open } = fixture();
    const stores = await Promise.all(
      Array.from({ length: count }, () => open({ database: place.location })),
    );
    const [first] = stores;
    await first?.workspaces.insert(newWorkspace());
    for (const each of stores) {
      expect(each.generation).toBe(first?.generation);
      expect(await each.workspaces.get("w1")).toBeDefined();
      await each.close();
    }
    await place.remove();
  });
});

async function change({ location }: TestDatabase, statement: string): Promise<void> {
  if (location.kind === "sqlite") {
    const database = new DatabaseSync(location.path);
    database.exec(statement);
    database.close();
    return;
  }
  const client = new pg.Client({ connectionString: location.url });
  await client.connect();
  await client.query(`set search_path = "${location.schema}"`);
  await client.query(statement);
  await client.end();
}

/** What can be compared to the last byte: a SQLite's file. */
function contentOf({ location }: TestDatabase): Buffer | undefined {
  return location.kind === "sqlite" ? readFileSync(location.path) : undefined;
}
