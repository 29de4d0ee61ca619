import type { Attempt } from "./attempt.ts";

/** "localhost" means either: which one a program listens on is its own affair. */
const BOTH = ["127.0.0.1", "::1"] as const;

export function isLoopback({ hostname }: URL): boolean {
  return /^(127(\.\d{1,3}){3}|localhost|\[::1\])$/.test(hostname);
}

/** The addresses to connect to for a URL's host. */
export function addressesOf({ hostname }: URL): readonly string[] {
  return hostname === "localhost" ? BOTH : [hostname.replace(/^\[|\]$/g, "")];
}

/** The first answer that is good, else the most telling one: a refusal says least. */
export async function firstGood(
  attempt: (address: string) => Promise<Attempt>,
  addresses: readonly string[] = BOTH,
): Promise<Attempt> {
  let told: Attempt | undefined;
  for (const address of addresses) {
    const result = await attempt(address);
    if (result.ok) return result;
    if (told === undefined || (!told.ok && told.reason === "PORT_CLOSED")) told = result;
  }
  return told ?? { ok: false, reason: "PORT_CLOSED", error: "there is no address to ask" };
}
