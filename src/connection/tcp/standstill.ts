/** A timer that does not count the time in which the process stood still. */

/** Milliseconds that a timer may be late on a busy, running loop. */
const BUSY = 20;

/** A timer under way. */
export interface RunningTimer {
  /** Ends it, and answers how many milliseconds it has given back. */
  stop(): number;
}

/**
 * Calls `work` after `ms`, and after the poll that follows: timers run before sockets are polled. Where a
 * blocked event loop or a frozen process made it late, it starts once more, for as long as it was late but
 * no longer than `ms`.
 */
export function afterRunning(ms: number, work: () => void): RunningTimer {
  let isOver = false;
  let givenBack = 0;
  const due = performance.now() + ms;
  const judge = (): void => {
    setImmediate(() => {
      if (!isOver) work();
    });
  };
  let timer = setTimeout(() => {
    const late = performance.now() - due;
    if (late <= BUSY) return judge();
    const again = Math.min(late, ms);
    givenBack = late + again;
    timer = setTimeout(judge, again);
  }, ms);
  return {
    stop: () => {
      isOver = true;
      clearTimeout(timer);
      return givenBack;
    },
  };
}
