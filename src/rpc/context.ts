/** What a handler knows of a call besides its message. It knows no transport. */
export interface CallContext {
  /**
   * Aborts when the caller is gone, its deadline has passed or the server shuts down; the reason is
   * the error to answer with. What was begun goes on: nothing but the answer hangs on it.
   */
  readonly signal: AbortSignal;
  readonly principal: Principal;
  /** Epoch ms; absent when the caller waits for ever. */
  readonly deadline?: number;
}

/** Who calls: someone with the token, or someone who can open the Unix socket. */
export type Principal = { readonly kind: "token" } | { readonly kind: "local" };
