/**
 * The steps between a row, a process and a file at which a test can hold, fail or kill the server.
 * One table for the whole project: a name that is not here does not compile, and one that is here
 * must be hit somewhere (test/failpoints.test.ts).
 */
export const FAILPOINTS = [
  "operation.row-written",
  "operation.spawned",
  "operation.exited",
  "operation.outcome-written",
  "realize.leased",
  "realize.fetch-intended",
  "realize.fetched",
  "realize.intent-written",
  "realize.excluded",
  "realize.unfinished-removed",
  "realize.registration-forgotten",
  "realize.worktree-added",
  "realize.switched-back",
  "realize.reuse-recorded",
  "realize.fast-forwarded",
  "realize.files-copied",
  "realize.provision-intended",
  "realize.provisioned",
  "realize.outcome-written",
  "cleanup.claimed",
  "cleanup.services-stopped",
  "cleanup.command-run",
  "cleanup.rescue-intended",
  "cleanup.rescued",
  "cleanup.renamed",
  "cleanup.directory-removed",
  "cleanup.branch-deleted",
  "cleanup.outcome-written",
  "restore.branch-intended",
  "restore.branch-remade",
  "restore.index-locked",
  "restore.work-applied",
  "restore.outcome-written",
  "service.row-written",
  "service.launch-kept",
  "service.spawned",
  "service.spawn-written",
  "service.ready",
  "service.ready-written",
  "service.exited",
  "service.exit-written",
  "service.settled",
  "stop.intended",
  "stop.signalled",
  "stop.proven",
  "stop.end-written",
  "lease.intended",
  "lease.acquired",
  "lease.released",
  "lease.all-renewed",
  "index.record-written",
  "garbage.row-deleted",
  "adopt.registered",
  "adopt.found",
  "adopt.reconciled",
] as const;

export type FailpointName = (typeof FAILPOINTS)[number];

export interface Failpoints {
  /**
   * Does what the point was armed with; nothing, and without a wait, if that is nothing.
   * @throws FailpointError for `error`
   */
  hit(name: FailpointName): Promise<void>;
}

/** What a point armed with `error` throws: to everything above it a fault that nobody foresaw. */
export class FailpointError extends Error {
  override readonly name = "FailpointError";

  constructor(point: FailpointName) {
    super(`failpoint ${point}`);
  }
}

/**
 * Arms the points of `"realize.worktree-added=kill;operation.exited=delay(500);…"`, for tests only:
 * - `error`, `error(3)`: throws, at every hit or at the first three
 * - `delay(500)`, `delay(500,3)`: waits that many milliseconds, at every hit or at the first three
 * - `kill`, `kill(3)`: SIGKILL of this process, at the first hit or at the third
 * @throws Error that names what cannot be read, or a point that does not exist
 */
export function createFailpoints(text = ""): Failpoints {
  const armed = new Map<FailpointName, () => Promise<void>>();
  for (const entry of text.split(";").map((part) => part.trim())) {
    if (entry === "") continue;
    const { point, act } = parse(entry);
    armed.set(point, act);
  }
  return {
    async hit(name) {
      await armed.get(name)?.();
    },
  };
}

function parse(entry: string): { point: FailpointName; act: () => Promise<void> } {
  const match = /^([a-z.-]+)=(error|delay|kill)(?:\((\d+)(?:,(\d+))?\))?$/.exec(entry);
  const point = FAILPOINTS.find((name) => name === match?.[1]);
  if (match === null || point === undefined) {
    const problem = match === null ? "is not <point>=<action>" : `names no failpoint`;
    throw new Error(`WORKSPACE_RUNTIME_FAILPOINTS: "${entry}" ${problem}`);
  }
  const [first, second] = [match[3], match[4]].map((text) =>
    text === undefined ? undefined : Number(text),
  );
  const isDelay = match[2] === "delay";
  if (isDelay ? first === undefined : second !== undefined) {
    throw new Error(`WORKSPACE_RUNTIME_FAILPOINTS: "${entry}" has the wrong number of arguments`);
  }
  const count = isDelay ? second : first;
  switch (match[2]) {
    case "kill":
      return { point, act: atHit(count ?? 1, kill) };
    case "delay":
      return { point, act: firstHits(count, () => delay(first ?? 0)) };
    default:
      return {
        point,
        act: firstHits(count, async () => {
          throw new FailpointError(point);
        }),
      };
  }
}

function firstHits(count: number | undefined, act: () => Promise<void>): () => Promise<void> {
  let left = count ?? Number.POSITIVE_INFINITY;
  return async () => {
    if (left <= 0) return;
    left -= 1;
    await act();
  };
}

function atHit(number: number, act: () => Promise<void>): () => Promise<void> {
  let hits = 0;
  return async () => {
    hits += 1;
    if (hits === number) await act();
  };
}

function delay(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Never returns: what comes after the point must not happen while the signal is on its way. */
async function kill(): Promise<never> {
  process.kill(process.pid, "SIGKILL");
  return await new Promise(() => {});
}
