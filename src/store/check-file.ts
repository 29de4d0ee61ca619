import { DatabaseSync } from "node:sqlite";

/** What SQLite finds wrong with a database file, a line each; none when all is well. Changes nothing, also while a server uses it. */
export function checkSqliteFile(path: string): string[] {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { readOnly: true, timeout: 5_000 });
    const rows = database.prepare("pragma quick_check").all() as { quick_check: string }[];
    return rows.map((row) => row.quick_check).filter((line) => line !== "ok");
  } catch (error) {
    return [(error as Error).message];
  } finally {
    database?.close();
  }
}
