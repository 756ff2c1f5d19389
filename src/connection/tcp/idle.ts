/** Gives a connection up when nobody used it for a while, and keeps a serverless function awake until then. */

/** Milliseconds after which a platform is asked anew, for another request may have come. */
const ASK_AGAIN = 1000;

/** When and how. */
export interface IdlePlan {
  /** Milliseconds after the last command; undefined keeps the connection. */
  readonly timeout: number | undefined;
  /** The platform's own: holds the function awake until the promise settles. */
  readonly waitUntil: ((work: Promise<unknown>) => void) | undefined;
  /** Commands are under way. */
  isBusy(): boolean;
  giveUp(): void;
}

/** Watches for idleness. */
export interface Idle {
  /** The connection is being used. */
  touch(): void;
  stop(): void;
}

/** Makes the watch. */
export function createIdle(plan: IdlePlan): Idle {
  const { timeout, waitUntil } = plan;
  if (timeout === undefined) return { touch: () => {}, stop: () => {} };
  let last = 0;
  let asked = 0;
  let timer: NodeJS.Timeout | undefined;
  let awake: { promise: Promise<void>; end: () => void } | undefined;

  const stop = (): void => {
    clearTimeout(timer);
    timer = undefined;
    asked = 0;
    awake?.end();
    awake = undefined;
  };
  const look = (): void => {
    const left = last + timeout - Date.now();
    if (left > 0 || plan.isBusy()) {
      timer = setTimeout(look, Math.max(1, left));
      return;
    }
    plan.giveUp();
    stop();
  };
  const stayAwake = (): void => {
    asked = last;
    awake ??= makeAwake();
    waitUntil?.(awake.promise);
  };
  return {
    touch: () => {
      last = Date.now();
      timer ??= setTimeout(look, timeout);
      if (waitUntil && last - asked > ASK_AGAIN) stayAwake();
    },
    stop,
  };
}

function makeAwake(): { promise: Promise<void>; end: () => void } {
  const awake = { end: () => {}, promise: Promise.resolve() };
  awake.promise = new Promise<void>((resolve) => (awake.end = resolve));
  return awake;
}
