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

/**
 * How long commands of several ticks are held back, in milliseconds. A turn of the loop in which many
 * requests are parsed takes much longer, and the server would do nothing meanwhile: then both wait
 * for one another in turn.
 */
const LONGEST = 0.25;

/** Makes it. */
export function createCork(plan: CorkPlan): Cork {
  let held: Writable | undefined;
  /** When what is held is written all the same. */
  let due = Infinity;
  const release = (): void => {
    if (held === undefined) return; // Released before its time.
    held.uncork();
    held = undefined;
    plan.onWrite();
  };
  return {
    isHolding: () => held !== undefined,
    hold: () => {
      if (held !== undefined && performance.now() < due) return;
      release();
      held = plan.stream();
      held.cork();
      if (plan.isBusy()) {
        due = performance.now() + LONGEST;
        setImmediate(release);
      } else {
        // A lone command would lose a turn of the loop for nothing.
        due = Infinity;
        atEndOfTick(release);
      }
    },
  };
}
