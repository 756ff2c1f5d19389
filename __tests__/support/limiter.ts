/** An algorithm over memory, with a clock that the test holds. */
import { createMemory } from "../../src/connection/memory/memory.ts";
import type { Connection } from "../../src/connection/port.ts";
import type {
  Algorithm,
  Decision,
  Mode,
  Outcome,
  Quota,
  Standing,
} from "../../src/rate-limit/algorithms/algorithm.ts";

/** A quota whose burst is its limit, unless another one is given. */
export function quota(limit: number, window: number, burst: number = limit): Quota {
  return { limit, window, burst };
}

/** A decision of one quota, flat. */
export type Verdict = Standing & Decision;

/** Flattens a decision of one quota. */
export function verdictOf(decision: Decision): Verdict {
  return { ...decision.standings[0]!, ...decision };
}

/** A limiter of one identity. */
export interface Limiter {
  readonly clock: { now: number };
  readonly connection: Connection;
  readonly take: (cost?: number, mode?: Mode) => Promise<Verdict>;
  readonly settle: (decision: Decision, outcome: Outcome, cost?: number) => Promise<void>;
  readonly block: (duration: number) => Promise<void>;
}

export const KEY = "ratelimit:test:1";

/** Makes one. */
export function createLimiter(algorithm: Algorithm, quotas: readonly Quota[]): Limiter {
  const clock = { now: 1_700_000_000_000 };
  const connection = createMemory({ max: 100, now: () => clock.now });
  return {
    clock,
    connection,
    take: async (cost = 1, mode = "take") =>
      verdictOf(await algorithm.take(connection, { key: KEY, quotas, cost }, mode)),
    settle: (decision, outcome, cost = 1) =>
      algorithm.settle(connection, { key: KEY, quotas, cost }, decision, outcome),
    block: (duration) => algorithm.block(connection, KEY, duration),
  };
}
