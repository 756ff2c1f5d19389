/**
 * What limits mean, written from their definitions: every admitted request with its time, and nothing
 * else kept. They know nothing of meters, debts or scripts.
 */
import type { Quota } from "../../src/rate-limit/algorithms/algorithm.ts";

/** A request that was admitted. */
interface Admitted {
  readonly at: number;
  readonly cost: number;
}

/** One quota's rule. */
export interface Model {
  /** Whether a request of this cost is within the quota now. */
  allows(now: number, cost: number): boolean;
  /** Notes that it was admitted, by this quota and all others. */
  admit(now: number, cost: number): void;
}

/**
 * The sliding window: time is cut into windows, the first of which begins with a request that finds
 * nothing. A request is allowed while what the current window admitted, and as much of the previous
 * one's as its share that is still in view, leave room for it.
 */
export function slidingWindowModel({ limit, window }: Quota): Model {
  const admitted: Admitted[] = [];
  let start: number | undefined;
  const startAt = (now: number): number => {
    if (start === undefined || now >= start + 2 * window) return now;
    return now >= start + window ? start + window : start;
  };
  const between = (from: number, to: number): number =>
    admitted.reduce((sum, { at, cost }) => (at >= from && at < to ? sum + cost : sum), 0);
  return {
    allows: (now, cost) => {
      const from = startAt(now);
      const inView = 1 - (now - from) / window;
      const previous = between(from - window, from);
      // Without rounding: a millionth is less than any difference that these numbers can have.
      return previous * inView + between(from, from + window) + cost <= limit + 1e-6;
    },
    admit: (now, cost) => {
      start = startAt(now);
      admitted.push({ at: now, cost });
    },
  };
}

/**
 * The token bucket: it holds `burst` tokens at first, `limit` more flow in every window, evenly, and
 * what does not fit is lost. A request takes as many as it costs.
 */
export function tokenBucketModel({ limit, window, burst }: Quota): Model {
  // In parts of a token, so that nothing is rounded.
  const full = BigInt(burst) * BigInt(window);
  let parts = full;
  let seen: number | undefined;
  const partsAt = (now: number): bigint => {
    const filled = parts + BigInt(limit) * BigInt(now - (seen ?? now));
    return filled > full ? full : filled;
  };
  return {
    allows: (now, cost) => partsAt(now) >= BigInt(cost) * BigInt(window),
    admit: (now, cost) => {
      parts = partsAt(now) - BigInt(cost) * BigInt(window);
      seen = now;
    },
  };
}

/** Several quotas: all admit a request, or none. */
export function together(models: readonly Model[]): (now: number, cost: number) => boolean {
  return (now, cost) => {
    if (!models.every((model) => model.allows(now, cost))) return false;
    for (const model of models) model.admit(now, cost);
    return true;
  };
}
