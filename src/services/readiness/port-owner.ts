import type { Instance } from "../../supervisor/instance.ts";
import { findPortOwners } from "../../supervisor/listeners.ts";
import type { PortOwner } from "./ask.ts";

/** Whose listener is on this port. */
export async function portOwner(port: number, instance: Instance): Promise<PortOwner> {
  switch (await instance.listener(port)) {
    case "OWN":
      return { kind: "own" };
    case "NONE":
      // It answered a moment ago: the platform cannot tell, or it is gone again; the exit will say.
      return { kind: "unknown" };
    case "FOREIGN": {
      const [pid] = (await findPortOwners([port])).flatMap((owner) => owner.pids);
      return { kind: "foreign", ...(pid === undefined ? {} : { pid }) };
    }
  }
}
