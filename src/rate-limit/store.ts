/** `rateLimitStore()`: the bare store, for people who keep their own express-rate-limit call. */
import { AsyncLocalStorage } from "node:async_hooks";
import type { ClientRateLimitInfo, Options as ShellOptions, Store } from "express-rate-limit";
import type { Context } from "../context.ts";
import { checkOptions, parseChoice } from "../validate.ts";
import type { Quota } from "./algorithms/algorithm.ts";
import { ALGORITHMS } from "./algorithms/by-name.ts";
import { type Answer, type Ask, createCounter } from "./counter.ts";
import { denialsOf } from "./denials.ts";
import { createReset } from "./reset.ts";
import { resetOf, rowsOf } from "./rows.ts";
import type { AlgorithmName } from "./options.ts";
import { parseType } from "./option-types.ts";
import { register } from "./register.ts";

/** Options of `rateLimitStore()`. */
export interface RateLimitStoreOptions {
  /** Default: `'sliding-window'`. */
  algorithm?: Exclude<AlgorithmName, "token-bucket">;
}

/** What one request was answered, for its own decrement. */
interface Turn {
  answer?: Answer | undefined;
}

/** Makes the stores of one kit. */
export function createRateLimitStore(
  context: Context,
): (type?: string, options?: RateLimitStoreOptions) => Store {
  return (type = "api", options = {}) => {
    checkOptions("rateLimitStore()", options, ["algorithm"]);
    const choices = ["sliding-window", "fixed-window"] as const;
    const algorithm = parseChoice("algorithm", options.algorithm ?? choices[0], choices);
    const name = parseType(type);
    register(context, name, { algorithm });
    return storeOf(context, name, algorithm);
  };
}

function storeOf(context: Context, type: string, algorithmName: AlgorithmName): Store {
  const { connection, keys } = context;
  const algorithm = ALGORITHMS[algorithmName];
  const counter = createCounter(context, algorithm, "memory");
  const denials = denialsOf(context);
  const forget = createReset(context);
  // The shell says which key a decrement is for, but not which request; its async context does.
  const turns = new AsyncLocalStorage<Turn>();
  // The shell evaluates a `limit` function after it has counted: then everything is counted.
  let quotas: readonly Quota[] = [quotaOf(EVERYTHING, 60_000)];
  const askOf = (id: string): Ask => ({
    type,
    names: [type],
    key: keys.rateLimit(type, [id]),
    quotas,
    cost: 1,
  });

  return {
    localKeys: false,
    prefix: keys.rateLimit(type, [""]),
    init: ({ windowMs, limit }: ShellOptions) => {
      const isKnown = typeof limit === "number";
      quotas = [quotaOf(isKnown ? limit : EVERYTHING, windowMs)];
      register(context, type, { algorithm: algorithmName, ...(isKnown && { quotas }) });
    },
    increment: async (id): Promise<ClientRateLimitInfo> => {
      const turn: Turn = {};
      turns.enterWith(turn); // Before the first await: then it holds for the caller too.
      const [answer] = (await counter.take([askOf(id)], "take")) ?? [];
      turn.answer = answer;
      const [row] = rowsOf([answer!]);
      const { used } = row!.standing;
      return {
        totalHits: row!.isRefusing ? Math.max(used, row!.quota.limit) + 1 : used,
        resetTime: new Date(Date.now() + resetOf(row!)),
      };
    },
    decrement: async () => {
      const turn = turns.getStore();
      const answer = turn?.answer;
      if (turn === undefined || answer === undefined) return;
      turn.answer = undefined;
      if (!answer.decision.admitted) return; // It never counted.
      denials.forget(answer.ask.key); // Who was refused because of it may pass now.
      await counter.settle([answer], "undo");
    },
    resetKey: async (id) => {
      await forget(askOf(id).key);
    },
    get: async (id) => {
      const { standings } = await algorithm.take(connection, askOf(id), "look");
      const { used, reset } = standings[0]!;
      return used === 0 ? undefined : { totalHits: used, resetTime: new Date(Date.now() + reset) };
    },
  };
}

/** What counts everything: the shell compares with the limit. */
const EVERYTHING = Number.MAX_SAFE_INTEGER;

function quotaOf(limit: number, window: number): Quota {
  return { limit, window, burst: limit };
}
