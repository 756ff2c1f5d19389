/** Lets the commands of one tick leave in one write: a system call costs more than a command. */
import type { Writable } from "node:stream";

/** Whose writes. */
export interface CorkPlan {
  stream(): Writable;
  /** Answers are on their way, so that other callbacks of this turn may bring commands too. */
  isBusy(): boolean;
  /** What was held back has been written. */
  onWrite(): void;
}

/** Holds writes back. */
export interface Cork {
  /** Until the end of the tick, or of the loop's turn where the connection is busy. */
  hold(): void;
  isHolding(): boolean;
}

/** Runs once all microtasks of this tick are done; `nextTick` alone may come before them. */
function atEndOfTick(work: () => void): void {
  process.nextTick(() => queueMicrotask(() => process.nextTick(work)));
}

/** Makes it. */
export function createCork(plan: CorkPlan): Cork {
  let isHolding = false;
  return {
    isHolding: () => isHolding,
    hold: () => {
      if (isHolding) return;
      isHolding = true;
      const stream = plan.stream();
      stream.cork();
      const write = (): void => {
        isHolding = false;
        stream.uncork();
        plan.onWrite();
      };
      // A lone command would lose a turn of the loop for nothing.
      if (plan.isBusy()) setImmediate(write);
      else atEndOfTick(write);
    },
  };
}
