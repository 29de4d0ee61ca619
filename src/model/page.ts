/** What a List takes: newest first by create time, then id. */
export interface PageRequest {
  /** 0 means 50; at most 500. */
  readonly pageSize: number;
  /** "" for the first page, else the `nextPageToken` of the page before. */
  readonly pageToken: string;
}

export interface Page<T> {
  readonly items: readonly T[];
  /** "" after the last page. */
  readonly nextPageToken: string;
  /** The store's revision that the page was read at: a watch from here misses nothing. */
  readonly revision: number;
}
