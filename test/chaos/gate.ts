/**
 * Lets actors work between checks. Each asks before every step; a check closes the gate, and looks when
 * all stand before it: no call is under way then.
 */
export interface Gate {
  /** Resolves when the gate is open; false when the actor shall leave. */
  enter(actor: string): Promise<boolean>;
  /** The actor has left, however. */
  leave(actor: string): void;
  /** Resolves when every actor waits or has left, or `unless` resolves. @throws who is still at work after `timeoutMs` */
  close(timeoutMs: number, unless: Promise<unknown>): Promise<void>;
  open(): void;
  /** Every actor leaves at its next step. */
  end(): void;
}

export function createGate(): Gate {
  const working = new Set<string>();
  let isOpen = true;
  let isOver = false;
  let waiting: (() => void)[] = [];
  let onQuiet = () => {};

  const wakeAll = () => {
    const woken = waiting;
    waiting = [];
    for (const wake of woken) wake();
  };
  const rest = (actor: string) => {
    working.delete(actor);
    if (working.size === 0) onQuiet();
  };
  return {
    async enter(actor) {
      rest(actor);
      while (!isOpen && !isOver) await new Promise<void>((resolve) => waiting.push(resolve));
      if (!isOver) working.add(actor);
      return !isOver;
    },
    leave: rest,
    async close(timeoutMs, unless) {
      isOpen = false;
      if (working.size === 0) return;
      await new Promise<void>((resolve, reject) => {
        const timer = setTimeout(() => {
          reject(new Error(`still at work after ${timeoutMs} ms: ${[...working].join(", ")}`));
        }, timeoutMs);
        onQuiet = () => {
          clearTimeout(timer);
          resolve();
        };
        unless.then(onQuiet);
      });
    },
    open() {
      isOpen = true;
      wakeAll();
    },
    end() {
      isOver = true;
      wakeAll();
    },
  };
}
