/** One clock for all commands of a connection: they share one deadline, so they expire in the order in which they were sent. */

/** Something that must be settled in time. */
export interface Timed {
  /** Settled by an answer, or by the loss of its connection. */
  isSettled: boolean;
  /** By `performance.now()`. */
  due: number;
  /** The time in which the process stood still was given back once. */
  isExtended: boolean;
  next: Timed | undefined;
  /** The time is over. */
  expire(): void;
}

/** The clock. */
export interface Deadlines {
  add(timed: Timed): void;
  /** Forgets what is settled; called whenever something was. */
  sweep(): void;
}

/**
 * Makes a clock for items that are added in the order of their `due`.
 *
 * Time in which the process did not run (a blocked event loop, a frozen process) is given back once, at
 * most `deadline`. Timers run before sockets are polled, so an answer that is there already is read
 * before the verdict, which waits for the poll that follows (`setImmediate`).
 *
 * @param deadline milliseconds
 */
export function createDeadlines(deadline: number): Deadlines {
  let head: Timed | undefined;
  let tail: Timed | undefined;
  let isArmed = false;
  let wakeAt = 0;
  const stoodStill = Math.max(20, deadline / 10);

  const sweep = (): void => {
    while (head?.isSettled) head = head.next;
  };
  const arm = (): void => {
    if (head === undefined) return;
    isArmed = true;
    wakeAt = head.due;
    setTimeout(wake, Math.max(1, Math.ceil(wakeAt - performance.now()))).unref();
  };
  const extend = (now: number, late: number): void => {
    const until = now + Math.min(late, deadline);
    for (let timed = head; timed !== undefined && timed.due < until; timed = timed.next) {
      if (timed.isExtended) continue;
      timed.isExtended = true;
      timed.due = until;
    }
  };
  const expireUntil = (now: number): void => {
    isArmed = false;
    for (let timed = head; timed !== undefined && timed.due <= now; timed = timed.next) {
      if (!timed.isSettled) timed.expire();
    }
    sweep();
    arm();
  };
  const wake = (): void => {
    isArmed = false;
    sweep();
    if (head === undefined) return;
    const now = performance.now();
    const late = now - wakeAt;
    if (late > stoodStill) extend(now, late);
    if (head.due > now) return arm();
    isArmed = true;
    setImmediate(expireUntil, now);
  };
  return {
    add: (timed) => {
      if (head === undefined) head = timed;
      else tail!.next = timed;
      tail = timed;
      if (!isArmed) arm();
    },
    sweep,
  };
}
