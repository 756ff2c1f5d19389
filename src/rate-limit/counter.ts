/** Asks all keys of one request together: refused if any refuses, and then the others are given back. */
import type { Context } from "../context.ts";
import { createMemory } from "../connection/memory/memory.ts";
import type { Connection } from "../connection/port.ts";
import { KitError } from "../errors.ts";
import type { Algorithm, Decision, Quota } from "./algorithm.ts";
import type { RedisErrorPolicy } from "./options.ts";

/** One key that a request is counted on. */
export interface Ask {
  readonly type: string;
  readonly key: string;
  readonly quota: Quota;
}

/** What one key answered, and which connection counted it. */
export interface Answer extends Ask {
  readonly decision: Decision;
  readonly on: Connection;
}

/** Counts requests. */
export interface Counter {
  /** Undefined where Redis could not be asked and the policy is `open`. */
  take(asks: readonly Ask[], hold: boolean): Promise<readonly Answer[] | undefined>;
  /** Ends the requests that {@link take} held. */
  settle(answers: readonly Answer[], keep: boolean): Promise<void>;
  /** Gives back requests that were not held. A failure is reported. */
  giveBack(answers: readonly Answer[]): Promise<void>;
}

/** How many identities a process counts by itself while Redis is away. */
const FALLBACK_KEYS = 50_000;

/** One for all limiters of a kit, so that those of one type go on sharing their counts. */
const fallbacks = new WeakMap<Context, Connection>();

function fallbackOf(context: Context): Connection {
  const fallback = fallbacks.get(context) ?? createMemory({ max: FALLBACK_KEYS });
  fallbacks.set(context, fallback);
  return fallback;
}

/** Makes the counter of one limiter. */
export function createCounter(
  context: Context,
  algorithm: Algorithm,
  onRedisError: RedisErrorPolicy,
): Counter {
  const { connection, events } = context;

  const ask = async (on: Connection, asks: readonly Ask[], hold: boolean): Promise<Answer[]> => {
    const decisions = await Promise.allSettled(
      asks.map(({ key, quota }) => algorithm.take(on, key, quota, hold)),
    );
    const answers = decisions.flatMap((outcome, index) =>
      outcome.status === "fulfilled" ? [{ ...asks[index]!, decision: outcome.value, on }] : [],
    );
    const failed = decisions.find((outcome) => outcome.status === "rejected");
    const isAdmitted = !failed && answers.every(({ decision }) => decision.admitted);
    if (!isAdmitted) void giveBack(answers, hold);
    if (failed) throw failed.reason;
    return answers;
  };
  const report = (error: unknown, during: string): void => {
    events.emit("redis-error", { error: error as KitError, during });
  };
  const giveBack = async (answers: readonly Answer[], held: boolean): Promise<void> => {
    const admitted = answers.filter(({ decision }) => decision.admitted);
    await Promise.all(
      admitted.map(({ on, key, quota, decision }) =>
        (held
          ? algorithm.settle(on, key, quota, decision.token, false)
          : algorithm.giveBack(on, key, quota, decision.token)
        ).catch((error: unknown) => report(error, "giving back a rate limit")),
      ),
    );
  };

  return {
    take: async (asks, hold) => {
      try {
        return await ask(connection, asks, hold);
      } catch (error) {
        report(error, "rate limit");
        if (onRedisError === "open") return undefined;
        if (onRedisError === "closed") throw unavailable(error);
        return ask(fallbackOf(context), asks, hold);
      }
    },
    giveBack: (answers) => giveBack(answers, false),
    settle: async (answers, keep) => {
      if (!keep) return giveBack(answers, true);
      await Promise.all(
        answers.map(({ on, key, quota, decision }) =>
          algorithm
            .settle(on, key, quota, decision.token, true)
            .catch((error: unknown) => report(error, "settling a rate limit")),
        ),
      );
    },
  };
}

function unavailable(cause: unknown): KitError {
  return new KitError("RATE_LIMIT_UNAVAILABLE", {
    message: "The rate limit could not be checked, and onRedisError is 'closed'.",
    fix: "Bring Redis back; or let requests be counted in this process meanwhile: onRedisError: 'memory'.",
    status: 503,
    retryAfter: 1,
    cause,
  });
}
