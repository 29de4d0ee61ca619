import { RuntimeError } from "../errors.ts";

const SNAPSHOT = "snapshot";

/**
 * The opaque text of a place in the changes of one database, to watch on from. Undefined: a place
 * within a snapshot, which can only be begun again.
 */
export function encodeCursor(generation: string, revision: number | undefined): string {
  return Buffer.from(`${revision ?? SNAPSHOT}.${generation}`).toString("base64url");
}

/** What a cursor of this database stands for. CURSOR_EXPIRED for any other text. */
export function decodeCursor(generation: string, cursor: string): number | undefined {
  const text = Buffer.from(cursor, "base64url").toString();
  const [, place = "", origin] = /^(\d{1,15}|snapshot)\.(.*)$/.exec(text) ?? [];
  if (origin !== generation) throw cursorExpired();
  return place === SNAPSHOT ? undefined : Number(place);
}

export function cursorExpired(): RuntimeError {
  return new RuntimeError(
    "CURSOR_EXPIRED",
    "the cursor is too old or of another store: watch again without one",
  );
}
