import type { Service } from "../../gen/workspace/runtime/v1/service_pb.ts";
import { createGrpcClient } from "../../src/client/grpc/index.ts";
import type { RuntimeClient } from "../../src/client/index.ts";
import { createClient } from "../../src/client/index.ts";
import { createRandom, type Random } from "../support/random.ts";
import { type Call, createCaller } from "./caller.ts";
import { kindOf } from "./catalogue.ts";
import type { Figures } from "./figures.ts";
import type { Gate } from "./gate.ts";
import type { History } from "./history.ts";
import type { Ledger } from "./ledger.ts";
import type { Scene } from "./scene.ts";

/** What everyone in the cast shares. */
export interface Stage {
  readonly scene: Scene;
  readonly seed: number;
  readonly ledger: Ledger;
  readonly history: History;
  readonly figures: Figures;
  readonly gate: Gate;
  /** Says what is wrong; the run ends with the first. */
  fail(problem: unknown): void;
}

/** What one of the cast works with: choices, a client and calls of its own. */
export interface Role {
  readonly name: string;
  readonly random: Random;
  readonly client: RuntimeClient;
  readonly call: Call;
}

/** The choices follow from seed and name; half of the cast uses the client on grpc-js. */
export function createRole(stage: Stage, name: string): Role {
  const random = createRandom(stage.seed ^ [...name].reduce((h, c) => h * 31 + c.charCodeAt(0), 7));
  const { dataDir } = stage.scene;
  // Few tries of its own: who waits for seconds between two of them sees little of a server that lives for two.
  const options = { dataDir, maxAttempts: 4 };
  const client = random.percent(50) ? createClient(options) : createGrpcClient(options);
  return { name, random, client, call: createCaller(name, stage) };
}

/** Steps again and again, while the gate lets it. */
export async function perform(
  stage: Stage,
  { name }: Role,
  step: () => Promise<void>,
): Promise<void> {
  try {
    while (await stage.gate.enter(name)) await step();
  } catch (error) {
    stage.fail(error);
  } finally {
    stage.gate.leave(name);
  }
}

/** Keeps in mind what an answer named. */
export function remember({ ledger, figures }: Stage, services: readonly Service[]): void {
  for (const { serviceId, serviceName, reuseKey } of services) {
    const known = ledger.services.get(serviceId);
    if (known !== undefined) {
      known.reuseKey ||= reuseKey;
      continue;
    }
    figures.add("services_started");
    ledger.services.set(serviceId, {
      name: serviceName,
      kind: kindOf(serviceName),
      reuseKey,
      restartsAsked: 0,
    });
  }
}
