import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Log } from "../logs/log.ts";
import type { Logs } from "../logs/logs.ts";
import type { Service } from "../model/service.ts";

/** The log of one life: opened when it is first needed, recorded for one instance after the other. */
export interface LifeLog {
  open(): Promise<Log>;
  /** What grows from now on is this instance's. */
  record(row: Service): Promise<void>;
  /**
   * The same, at the next `catchUp`, `record` or `close`: an instance that ran on while no server did
   * can wait for its index, since the files' own times are all that is known of that time.
   */
  recordLater(row: Service): void;
  /** Does what `recordLater` has put off. */
  catchUp(): Promise<void>;
  /** Records the rest, and gives the files back. */
  close(): Promise<void>;
}

/** @param directory of the service; made when it is not there */
export function createLifeLog(logs: Logs, directory: string): LifeLog {
  let opened: Promise<Log> | undefined;
  let later: Service | undefined;
  let stop: () => Promise<void> = async () => {};
  let queue: Promise<unknown> = Promise.resolve();

  return {
    open,
    record: (row) => inTurn(() => begin(row)),
    recordLater(row) {
      later = row;
    },
    catchUp: () => inTurn(async () => {}),
    close: () =>
      inTurn(async () => {
        await stop();
        const log = await open();
        log.wake();
        log.release();
      }),
  };

  function open(): Promise<Log> {
    opened ??= mkdir(directory, { recursive: true, mode: 0o700 }).then(() => logs.open(directory));
    return opened;
  }

  function inTurn(work: () => Promise<void>): Promise<void> {
    const done = queue.then(async () => {
      const putOff = later;
      later = undefined;
      if (putOff !== undefined) await begin(putOff);
      await work();
    });
    queue = done.catch(() => {});
    return done;
  }

  async function begin({ instance, spec }: Service): Promise<void> {
    const log = await open();
    await stop();
    const maxBytes = spec.logs?.maxBytes;
    const recording = await log.record(instance, {
      instanceDirectory: join(directory, "instances", String(instance)),
      ...(maxBytes ? { maxBytes } : {}),
    });
    stop = () => recording.stop();
  }
}
