/** Asks all keys of one request together: refused if any refuses, and then the others are given back. */
import { type Context, perKit, reporter } from "../context.ts";
import { createMemory } from "../connection/memory/memory.ts";
import type { Connection } from "../connection/port.ts";
import { KitError } from "../errors.ts";
import type { Algorithm, Asked, Decision, Mode, Outcome } from "./algorithms/algorithm.ts";
import { denialsOf } from "./denials.ts";
import { createHolds, type Held, type Holds } from "./holds.ts";
import type { RedisErrorPolicy } from "./options.ts";

/** One key that a request is counted on. */
export interface Ask extends Asked {
  readonly type: string;
  /** What the header fields call each of its quotas. */
  readonly names: readonly string[];
}

/** What one key answered, and which connection counted it. */
export interface Answer {
  readonly ask: Ask;
  readonly decision: Decision;
  readonly on: Connection;
}

/** A request's hold, if it was made ahead. */
export interface EarlyHold {
  /** Called right before Redis would be asked; told the key, where there is but one. */
  take(key: string | undefined): Held | undefined;
  /** Called where Redis is not asked. */
  pass(): void;
}

/** Counts requests. */
export interface Counter {
  /**
   * Undefined where Redis could not be asked and the policy is `open`.
   *
   * @param early asked for what is held ahead, or told that it is not needed
   */
  take(asks: readonly Ask[], mode: Mode, early?: EarlyHold): Promise<readonly Answer[] | undefined>;
  readonly holds: Holds;
  /** Ends held requests or undoes counted ones. A failure is reported. */
  settle(answers: readonly Answer[], outcome: Outcome): Promise<void>;
}

/** How many identities a process counts by itself while Redis is away. */
const FALLBACK_KEYS = 50_000;

/** What a kit counts on while Redis is away: one for all limiters, so that those of one type go on sharing their counts. */
export const fallbackOf: (context: Context) => Connection = perKit(() =>
  createMemory({ max: FALLBACK_KEYS }),
);

/** Makes the counter of one limiter. */
export function createCounter(
  context: Context,
  algorithm: Algorithm,
  onRedisError: RedisErrorPolicy,
): Counter {
  const { connection } = context;
  const denials = denialsOf(context);

  const report = reporter(context);
  const settle: Counter["settle"] = async (answers, outcome) => {
    const admitted = answers.filter(({ decision }) => decision.admitted);
    await Promise.all(
      admitted.map(({ ask: asked, decision, on }) =>
        algorithm.settle(on, asked, decision, outcome).catch(report("settling a rate limit")),
      ),
    );
  };
  const ask = async (on: Connection, asks: readonly Ask[], mode: Mode): Promise<Answer[]> => {
    if (asks.length === 1) {
      return [{ ask: asks[0]!, decision: await algorithm.take(on, asks[0]!, mode), on }];
    }
    // Held until all have answered: what one key refuses does not look counted on the others meanwhile.
    const { answers, failure } = await askAll(algorithm, on, asks, "hold");
    if (failure || !answers.every(({ decision }) => decision.admitted)) {
      void settle(answers, "release");
    } else if (mode === "take") void settle(answers, "count");
    if (failure) throw failure.reason;
    return answers;
  };
  const holds = createHolds(context, algorithm, settle);
  return {
    holds,
    take: async (asks, mode, early) => {
      const denied = refusals(asks, connection, denials.recall);
      if (denied) {
        early?.pass();
        return denied;
      }
      const held = early?.take(asks.length === 1 ? asks[0]!.key : undefined);
      try {
        const known = held && (await holds.use(held, asks, mode));
        if (known) return known;
        for (const each of asks) denials.asking(each);
        const answers = await ask(connection, asks, mode);
        for (const answer of answers) denials.learn(answer.ask, answer.decision);
        return answers;
      } catch (error) {
        report("rate limit")(error);
        const stillDenied = refusals(asks, connection, denials.recallOnFailure);
        if (onRedisError === "open") return undefined;
        if (onRedisError === "closed") throw unavailable(error);
        return stillDenied ?? ask(fallbackOf(context), asks, mode);
      }
    },
    settle,
  };
}

/** Asks all keys at once; with what some answered, another one's failure. */
async function askAll(
  algorithm: Algorithm,
  on: Connection,
  asks: readonly Ask[],
  mode: Mode,
): Promise<{ answers: Answer[]; failure: PromiseRejectedResult | undefined }> {
  const outcomes = await Promise.allSettled(asks.map((each) => algorithm.take(on, each, mode)));
  const answers = outcomes.flatMap((outcome, index) =>
    outcome.status === "fulfilled" ? [{ ask: asks[index]!, decision: outcome.value, on }] : [],
  );
  return { answers, failure: outcomes.find((outcome) => outcome.status === "rejected") };
}

/** The answers that are refusals as far as this process knows; undefined where there are none. */
function refusals(
  asks: readonly Ask[],
  on: Connection,
  recall: (asked: Asked) => Decision | undefined,
): Answer[] | undefined {
  let answers: Answer[] | undefined;
  for (const each of asks) {
    const decision = recall(each);
    if (decision) (answers ??= []).push({ ask: each, decision, on });
  }
  return answers;
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
