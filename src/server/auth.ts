import { hash, timingSafeEqual } from "node:crypto";
import { RuntimeError } from "../errors.ts";
import type { Principal } from "../rpc/context.ts";

/** Who may use one listener, and as whom. */
export interface Access {
  readonly principal: Principal;
  /** Takes the value of the `authorization` header; throws UNAUTHENTICATED. */
  check(authorization: string | undefined): void;
}

/** For TCP: whoever knows the token. */
export function tokenAccess(token: string): Access {
  const expected = digest(token);
  return {
    principal: { kind: "token" },
    check(authorization) {
      const [, given] = /^bearer +(\S+) *$/i.exec(authorization ?? "") ?? [];
      // Digests have one length, so the comparison takes the same time for every wrong token.
      if (given === undefined || !timingSafeEqual(digest(given), expected)) throw unauthenticated();
    },
  };
}

/** For the Unix socket: its file mode is the key. */
export function localAccess(): Access {
  return { principal: { kind: "local" }, check() {} };
}

/** The same words for a missing and a wrong token, for every method and every id. */
function unauthenticated(): RuntimeError {
  return new RuntimeError(
    "UNAUTHENTICATED",
    "no valid token: send `authorization: Bearer <token>`; the token stands in the file `token` of the server's data directory",
  );
}

function digest(text: string): Buffer {
  return hash("sha256", text, "buffer");
}
