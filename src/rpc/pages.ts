import type { Page, PageRequest } from "../model/page.ts";

/** Where a WatchStatus goes on after what was read at a revision of the store. */
export type CursorAt = (revision: number) => string;

/** The page fields that every List request has. */
export function pageRequest(message: { pageSize: number; pageToken: string }): PageRequest {
  return { pageSize: message.pageSize, pageToken: message.pageToken };
}

/** The page fields that every List answer has. */
export function pageFields(
  page: Page<unknown>,
  cursorAt: CursorAt,
): { nextPageToken: string; cursor: string } {
  return { nextPageToken: page.nextPageToken, cursor: cursorAt(page.revision) };
}
