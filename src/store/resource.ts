import type { Kysely } from "kysely";
import type { Resource } from "../model/change.ts";
import { idOf, subjectOf } from "../model/change.ts";
import type { Schema } from "./schema.ts";
import type { WriteSession } from "./session.ts";

/** A table of versioned records: each write of a row takes a revision and is a change. */
export interface ResourceTable<T extends { readonly revision: number }, Row> {
  readonly name: keyof Schema;
  readonly idColumn: string;
  toRow(record: T): Row;
  toResource(record: T): Resource;
}

/** What an insert did: the new record, or the one that was in its way. */
export interface Inserted<T> {
  readonly record: T;
  readonly inserted: boolean;
}

/** Fields to change; an optional one given as undefined is cleared. */
export type Patch<T> = {
  // biome-ignore lint/complexity/noBannedTypes: `{}` asks whether the field may be absent.
  readonly [K in keyof T]?: {} extends Pick<T, K> ? T[K] | undefined : T[K];
};

export async function insertResource<T extends { readonly revision: number }, Row>(
  tx: WriteSession,
  table: ResourceTable<T, Row>,
  record: NoInfer<Omit<T, "revision">>,
): Promise<T> {
  const inserted = withoutUndefined({ ...record, revision: tx.nextRevision() }) as unknown as T;
  await untyped(tx)
    .insertInto(table.name)
    .values(asColumns(table.toRow(inserted)))
    .execute();
  tx.record({ type: "UPSERTED", revision: inserted.revision, ...table.toResource(inserted) });
  return inserted;
}

/** Content that is equal makes no revision: the record is answered as it was. */
export async function updateResource<T extends { readonly revision: number }, Row>(
  tx: WriteSession,
  table: ResourceTable<T, Row>,
  before: T,
  patch: NoInfer<Patch<T>>,
): Promise<T> {
  const wanted = { ...before, ...patch } as T;
  const isEqual = Object.keys(changedColumns(table, before, wanted)).length === 0;
  return isEqual ? before : reviseResource(tx, table, before, patch);
}

/** As `updateResource`, but always a new revision: for what stands in other rows. */
export async function reviseResource<T extends { readonly revision: number }, Row>(
  tx: WriteSession,
  table: ResourceTable<T, Row>,
  before: T,
  patch: NoInfer<Patch<T>>,
): Promise<T> {
  const updated = "updateTime" in before ? { updateTime: tx.clock.now() } : {};
  const revision = tx.nextRevision();
  const after = withoutUndefined({ ...before, ...patch, ...updated, revision }) as unknown as T;
  await untyped(tx)
    .updateTable(table.name)
    .set(changedColumns(table, before, after))
    .where(table.idColumn, "=", idOf(table.toResource(after)))
    .execute();
  const previous = subjectOf(table.toResource(before));
  tx.record({ type: "UPSERTED", revision, previous, ...table.toResource(after) });
  return after;
}

/** The change holds the last state, under the revision of the deletion. */
export async function deleteResource<T extends { readonly revision: number }, Row>(
  tx: WriteSession,
  table: ResourceTable<T, Row>,
  before: T,
): Promise<void> {
  const resource = table.toResource(before);
  await untyped(tx).deleteFrom(table.name).where(table.idColumn, "=", idOf(resource)).execute();
  const revision = tx.nextRevision();
  tx.record({ type: "DELETED", revision, previous: subjectOf(resource), ...resource });
}

function changedColumns<T extends { readonly revision: number }, Row>(
  table: ResourceTable<T, Row>,
  before: T,
  after: T,
): Record<string, unknown> {
  const old = asColumns(table.toRow(before));
  const changed = Object.entries(asColumns(table.toRow(after))).filter(
    ([column, value]) => value !== old[column],
  );
  return Object.fromEntries(changed);
}

function withoutUndefined(record: object): object {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined));
}

function asColumns(row: unknown): Record<string, unknown> {
  return row as Record<string, unknown>;
}

/** Tables and columns come as values here, so Kysely cannot know their types. */
function untyped(tx: WriteSession): Kysely<Record<string, Record<string, unknown>>> {
  return tx.db as unknown as Kysely<Record<string, Record<string, unknown>>>;
}
