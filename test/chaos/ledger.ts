/** What the cast did and what must therefore be true, whatever the server's deaths. */
export interface Ledger {
  readonly runs: Map<string, "open" | "released">;
  readonly services: Map<string, KnownService>;
  readonly workspaces: Map<string, KnownWorkspace>;
}

export interface KnownService {
  readonly name: string;
  readonly kind: string;
  reuseKey: string;
  /** RestartServices that may have reached it. */
  restartsAsked: number;
}

export interface KnownWorkspace {
  readonly workspaceId: string;
  readonly branchName: string;
  readonly worktreePath: string;
  /** SHA-256 of what was written, by the path in the worktree. */
  readonly edits: Map<string, string>;
  /** `gone`: its edits are in its rescue or on its branch. */
  place: "worktree" | "moving" | "gone";
}

export function createLedger(): Ledger {
  return { runs: new Map(), services: new Map(), workspaces: new Map() };
}
