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
  /** There is a connection to give up. */
  isConnected(): boolean;
  giveUp(): void;
  /** The platform's function threw. */
  onProblem(error: unknown): void;
}

/** Watches for idleness. */
export interface Idle {
  /** A command is being sent: called in its own context, for some platforms tell requests apart by that. */
  touch(): void;
  /** A connection was made; perhaps nobody will use it. */
  connected(): void;
  stop(): void;
}

const NEVER: Idle = { touch: () => {}, connected: () => {}, stop: () => {} };

/** Makes the watch. */
export function createIdle(plan: IdlePlan): Idle {
  const { timeout, waitUntil } = plan;
  if (timeout === undefined) return NEVER;
  let last = 0;
  let asked = 0;
  let timer: NodeJS.Timeout | undefined;
  let letGo: (() => void) | undefined;

  const stop = (): void => {
    clearTimeout(timer);
    timer = undefined;
    asked = 0;
    letGo?.();
  };
  const look = (): void => {
    const left = last + timeout - Date.now();
    if (left > 0 || plan.isBusy()) {
      timer = setTimeout(look, Math.max(1, left));
      return;
    }
    // Where there is none, it is being sought: that goes on, but nobody is kept awake for it.
    if (plan.isConnected()) plan.giveUp();
    stop();
  };
  const stayAwake = (): void => {
    asked = last;
    const letGoOfEarlier = letGo;
    const work = new Promise<void>((resolve) => (letGo = resolve));
    try {
      waitUntil?.(work);
    } catch (error) {
      plan.onProblem(error);
    }
    letGoOfEarlier?.();
  };
  const connected = (): void => {
    last = Date.now();
    timer ??= setTimeout(look, timeout);
  };
  return {
    touch: () => {
      connected();
      if (waitUntil && last - asked > ASK_AGAIN) stayAwake();
    },
    connected,
    stop,
  };
}
