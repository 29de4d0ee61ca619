import type { Page, PageRequest } from "../../model/page.ts";

/** The page fields that every List request has. */
export function pageFromMessage(message: { pageSize: number; pageToken: string }): PageRequest {
  return { pageSize: message.pageSize, pageToken: message.pageToken };
}

/** The page fields that every List answer has; `cursor` is where a watch goes on. */
export function pageToMessage(page: Page<unknown>): { nextPageToken: string; cursor: string } {
  return { nextPageToken: page.nextPageToken, cursor: String(page.revision) };
}
