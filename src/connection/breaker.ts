/** A circuit breaker: a Redis that does not answer costs the first few commands their deadline, and the rest nothing. */
import type { KitError } from "../errors.ts";

/** Commands that must fail one after another before the rest is spared. */
const THRESHOLD = 5;
const FIRST_PROBE = 50;
const LONGEST_PAUSE = 400;

/** What the breaker of one server is told, and tells. Times are milliseconds. */
export interface BreakerPlan {
  /**
   * Asks the server whether it answers; a rejection says no. While it is under way, no other probe is
   * started, so it must be bounded in time.
   */
  probe(): Promise<unknown>;
  /** The breaker has opened: commands will be refused until a probe succeeds. */
  onOpen(problem: KitError): void;
  /** Commands may be sent again. */
  onClose(): void;
}

/** Counts what becomes of commands. */
export interface Breaker {
  /** Why commands should not be sent now; undefined where they may. */
  refusal(): KitError | undefined;
  /** The server answered something. */
  success(): void;
  /** A command got no answer. Opens the breaker after five in a row, or the first after a probe. */
  failure(problem: KitError): void;
  /** Opens at once: the server is known to be away. */
  trip(problem: KitError): void;
  /** A probe of another kind, such as a new connection, succeeded. */
  reset(): void;
  /** Ends the probing. */
  stop(): void;
}

/**
 * Closed, it lets everything through. Open, it refuses and probes in the background: after 50 ms, then
 * twice as long each time, up to 400 ms. When a probe succeeds it is half-open: commands pass, the first
 * success closes it, the first failure opens it again.
 */
export function createBreaker(plan: BreakerPlan): Breaker {
  let failures = 0;
  let isHalfOpen = false;
  let problem: KitError | undefined;
  let timer: NodeJS.Timeout | undefined;
  let pause = FIRST_PROBE;
  /** Outdates the probe under way. */
  let round = 0;
  let isStopped = false;

  const halfOpen = (): void => {
    if (problem === undefined) return;
    clearTimeout(timer);
    round += 1;
    problem = undefined;
    isHalfOpen = true;
    plan.onClose();
  };
  const probeLater = (): void => {
    if (isStopped) return;
    timer = setTimeout(() => {
      const asked = round;
      const after = (next: () => void) => (): void => {
        if (asked === round) next();
      };
      plan.probe().then(after(halfOpen), after(probeLater));
    }, pause);
    timer.unref();
    pause = Math.min(pause * 2, LONGEST_PAUSE);
  };
  const trip = (why: KitError): void => {
    const isOpen = problem !== undefined;
    problem = why;
    if (isOpen) return;
    round += 1;
    failures = 0;
    isHalfOpen = false;
    probeLater();
    plan.onOpen(why);
  };
  return {
    refusal: () => problem,
    success: () => {
      failures = 0;
      isHalfOpen = false;
      pause = FIRST_PROBE;
    },
    failure: (why) => {
      failures += 1;
      if (isHalfOpen || failures >= THRESHOLD) trip(why);
    },
    trip,
    reset: halfOpen,
    stop: () => {
      isStopped = true;
      clearTimeout(timer);
      round += 1;
    },
  };
}
