import type { Interceptor } from "@connectrpc/connect";
import { type LocateOptions, locateToken } from "./locate.ts";

/** The token, looked for anew for each call. A socket that was named needs none. */
export function authorize(options: LocateOptions): Interceptor {
  return (next) => (request) => {
    const token = options.socket === undefined ? locateToken(options) : "";
    if (token !== "") request.header.set("authorization", `Bearer ${token}`);
    return next(request);
  };
}
