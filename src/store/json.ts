import type { Json } from "./schema.ts";

/** An optional field's column: NULL when the record has none. */
export function toOptionalJson(value: unknown): Json | null {
  return value === undefined ? null : JSON.stringify(value);
}

export function fromJson<T>(json: Json): T {
  return JSON.parse(json) as T;
}

export function fromOptionalJson<T>(json: Json | null): T | null {
  return json === null ? null : (JSON.parse(json) as T);
}

/** A field of a record, to spread into it: nothing where the column is NULL. */
export function optional<K extends string, T>(
  key: K,
  value: T | null,
): { readonly [P in K]?: NonNullable<T> } {
  return value === null ? {} : ({ [key]: value } as { [P in K]: NonNullable<T> });
}
