import { Code, ConnectError } from "@connectrpc/connect";
import { type LocateOptions, type Location, locateServer, NoServerError } from "./locate.ts";

/** As `locateServer`, its errors as those of a call: UNAVAILABLE when no server runs, since one may come. */
export function locateForCall(options: LocateOptions): Location {
  try {
    return locateServer(options);
  } catch (error) {
    const code = error instanceof NoServerError ? Code.Unavailable : Code.InvalidArgument;
    const message = error instanceof Error ? error.message : String(error);
    throw new ConnectError(message, code, undefined, undefined, error);
  }
}
