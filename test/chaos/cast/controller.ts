import { isLiveState } from "../../support/invariants.ts";
import { KINDS, specOf } from "../catalogue.ts";
import { type Role, remember, type Stage } from "../stage.ts";

const CROSSED = [
  "SERVICE_LEASED",
  "SERVICE_STOPPED",
  "SERVICE_EXITED_EARLY",
  "SERVICE_NOT_FOUND",
  "WORKSPACE_ARCHIVED",
  "RUN_RELEASED",
  "SPAWN_FAILED",
];

/** A person at the console: stops, starts and restarts what others use, at times by force. */
export async function* control(stage: Stage, role: Role): AsyncGenerator<void> {
  const { random, client, call } = role;
  for (let number = 1; ; number += 1) {
    const requestId = `${role.name}-${number}`;
    const service = await pickService(role);
    const force = random.percent(50);
    if (service !== undefined) {
      const { serviceId, serviceName, workspaceId } = service;
      const byId = { case: "serviceId", value: serviceId } as const;
      const byWorkspace = { case: "workspaceId", value: workspaceId } as const;
      remember(stage, [service]);
      const choice = random.below(10);
      if (choice < 4) {
        await call(
          `stop ${serviceName} ${serviceId}${force ? " by force" : ""}`,
          () => client.stopServices({ target: byId, force }),
          CROSSED,
        );
      } else if (choice < 6) {
        await call(
          `restart ${serviceName} ${serviceId}`,
          () => {
            // One that the server died over is begun anew by the same request: only its answer is kept.
            const known = stage.ledger.services.get(serviceId);
            if (known !== undefined) known.restartsAsked += 1;
            return client.restartServices({ target: byId, force, requestId });
          },
          CROSSED,
        );
      } else if (choice < 7) {
        await call(
          `stop ${serviceName} of ${workspaceId}`,
          () => client.stopServices({ target: byWorkspace, serviceNames: [serviceName], force }),
          CROSSED,
        );
      } else {
        const services = [specOf(random.pick(KINDS.filter((kind) => kind !== "once")))];
        const answer = await call(
          `start ${services[0]?.name} in ${workspaceId}`,
          () => client.startServices({ target: byWorkspace, services, requestId }),
          CROSSED,
        );
        remember(stage, answer?.services ?? []);
      }
    }
    yield;
  }
}

/** Any but the anchors, which nobody stops. */
async function pickService({ random, client, call }: Role) {
  const answer = await call("list services", () =>
    client.listServices({ companyId: "company", current: true, pageSize: 100 }),
  );
  const all = answer?.services ?? [];
  const live = all.filter(({ state }) => isLiveState(state));
  const from = random.percent(85) ? live : all;
  return from.length === 0 ? undefined : random.pick(from);
}
