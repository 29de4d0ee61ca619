import { randomInt } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";

export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** How often the system is asked for one: each of its answers may be reserved for another service. */
const TRIES = 100;

/** Numbers that an automatic port may try, each at most once: all of the range, from anywhere in it. */
export async function* candidates(range: PortRange | undefined): AsyncIterable<number> {
  if (range === undefined) {
    for (let tries = 0; tries < TRIES; tries += 1) yield await systemsChoice();
    return;
  }
  const size = range.last - range.first + 1;
  const start = randomInt(size);
  for (let step = 0; step < size; step += 1) yield range.first + ((start + step) % size);
}

/**
 * Where automatic ports are taken from unless somebody says so: numbers that the system gives to nobody by itself. One
 * that it gives away can become the near end of any connection, this server's own probes among them, between its choice
 * and its service's bind. Undefined where the system gives away (nearly) all.
 */
export function quietRange(givenAway: PortRange = rangeGivenAway()): PortRange | undefined {
  const below = { first: 20_000, last: Math.min(givenAway.first - 1, 32_767) };
  const above = { first: Math.max(givenAway.last + 1, 20_000), last: 65_535 };
  return [below, above].find(({ first, last }) => last - first >= LEAST);
}

const LEAST = 1_000;

/** Linux says so; others take theirs from 49,152 upwards. */
function rangeGivenAway(): PortRange {
  try {
    const text = readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "utf8");
    const [first = 0, last = 0] = text.trim().split(/\s+/).map(Number);
    return { first, last };
  } catch {
    return { first: 49_152, last: 65_535 };
  }
}

function systemsChoice(): Promise<number> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port: 0, host: "127.0.0.1", exclusive: true }, () => {
      const address = server.address();
      server.close(() => {
        if (typeof address === "object" && address !== null) resolve(address.port);
        else reject(new Error("the system gave no port"));
      });
    });
  });
}
