/** `rateLimitStore()`: the bare store, for people who keep their own express-rate-limit call. */
import { AsyncLocalStorage } from "node:async_hooks";
import type { ClientRateLimitInfo, Options as ShellOptions, Store } from "express-rate-limit";
import type { Context } from "../context.ts";
import { checkOptions, parseChoice } from "../validate.ts";
import type { Quota } from "./algorithm.ts";
import { type Answer, createCounter } from "./counter.ts";
import { ALGORITHMS } from "./middleware.ts";
import { type AlgorithmName, parseType } from "./options.ts";
import { register } from "./register.ts";

/** Options of `rateLimitStore()`. */
export interface RateLimitStoreOptions {
  /** Default: `'sliding-window'`. */
  algorithm?: AlgorithmName;
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
    const algorithmName = parseChoice("algorithm", options.algorithm ?? choices[0], choices);
    const algorithm = ALGORITHMS[algorithmName];
    const counter = createCounter(context, algorithm, "memory");
    const name = parseType(type);
    register(context, name, { algorithm: algorithmName });
    // The shell says which key a decrement is for, but not which request; its async context does.
    const turns = new AsyncLocalStorage<Turn>();
    // The shell evaluates a `limit` function after it has counted: then everything is counted.
    let quota: Quota = { limit: Number.MAX_SAFE_INTEGER, window: 60_000 };
    const keyOf = (key: string): string => context.keys.rateLimit(name, [key]);

    return {
      localKeys: false,
      prefix: context.keys.rateLimit(name, [""]),
      init: ({ windowMs, limit }: ShellOptions) => {
        register(context, name, { algorithm: algorithmName, window: windowMs });
        quota = {
          window: windowMs,
          limit: typeof limit === "number" ? limit : Number.MAX_SAFE_INTEGER,
        };
      },
      increment: async (key): Promise<ClientRateLimitInfo> => {
        const turn: Turn = {};
        turns.enterWith(turn); // Before the first await: then it holds for the caller too.
        const [answer] =
          (await counter.take([{ type: name, key: keyOf(key), quota }], false)) ?? [];
        turn.answer = answer;
        const { admitted, used, reset, retryAfter } = answer!.decision;
        return {
          totalHits: admitted ? used : Math.max(used, quota.limit) + 1,
          resetTime: new Date(Date.now() + (admitted ? reset : retryAfter)),
        };
      },
      decrement: async () => {
        const turn = turns.getStore();
        const answer = turn?.answer;
        if (turn === undefined || answer === undefined) return;
        turn.answer = undefined;
        await counter.giveBack([answer]);
      },
      resetKey: async (key) => {
        await context.connection.del(keyOf(key));
      },
      get: async (key) => {
        const { used, reset } = await algorithm.peek(context.connection, keyOf(key), quota);
        return used === 0
          ? undefined
          : { totalHits: used, resetTime: new Date(Date.now() + reset) };
      },
    };
  };
}
