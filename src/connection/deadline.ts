/** Bounds in time what has no clock of its own. */
import { KitError } from "../errors.ts";

/** A command that got no answer in time; it may have run, or still run. */
export function timedOut(what: string, ms: number): KitError {
  return new KitError("REDIS_TIMEOUT", {
    message: `${what} got no answer within ${Math.round(ms)} ms.`,
    fix: "Look for a slow or frozen Redis, or raise `deadline` if the network is that far.",
    status: 503,
    retryAfter: 1,
    outcome: "maybeExecuted",
  });
}

/**
 * Settles as `work` does, or rejects with `REDIS_TIMEOUT` after `ms`.
 *
 * An answer that arrived while the event loop was busy is read before the verdict: timers run before
 * sockets are polled, so the verdict waits for the poll that follows (`setImmediate`).
 */
export function withDeadline<T>(work: Promise<T>, ms: number, what: string): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const timer = setTimeout(() => {
      setImmediate(() => reject(timedOut(what, ms)));
    }, ms);
    // oxlint-disable-next-line promise/catch-or-return -- both outcomes are handed on
    work.finally(() => clearTimeout(timer)).then(resolve, reject);
  });
}
