/** `rateLimitStore()`: the bare store, for people who keep their own express-rate-limit call. */
import type { ClientRateLimitInfo, Options as ShellOptions, Store } from "express-rate-limit";
import type { Context } from "../context.ts";
import { checkOptions, parseChoice } from "../validate.ts";
import { LRUCache } from "lru-cache";
import type { Quota } from "./algorithm.ts";
import { type Answer, createCounter } from "./counter.ts";
import { ALGORITHMS } from "./middleware.ts";
import { type AlgorithmName, parseType } from "./options.ts";
import { register } from "./register.ts";

/** How many requests a store remembers to have counted, to be able to give them back. */
const MOST_COUNTED = 10_000;

/** Options of `rateLimitStore()`. */
export interface RateLimitStoreOptions {
  /** Default: `'sliding-window'`. */
  algorithm?: AlgorithmName;
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
    const { connection, keys } = context;
    const counter = createCounter(context, algorithm, "memory");
    const name = parseType(type);
    register(context, name, { algorithm: algorithmName });
    const counted = new LRUCache<string, Answer>({ max: MOST_COUNTED });
    // The shell evaluates a `limit` function after it has counted: then everything is counted.
    let quota: Quota = { limit: Number.MAX_SAFE_INTEGER, window: 60_000 };
    const keyOf = (key: string): string => keys.rateLimit(name, [key]);

    return {
      localKeys: false,
      prefix: keys.rateLimit(name, [""]),
      init: ({ windowMs, limit }: ShellOptions) => {
        quota = {
          window: windowMs,
          limit: typeof limit === "number" ? limit : Number.MAX_SAFE_INTEGER,
        };
      },
      increment: async (key): Promise<ClientRateLimitInfo> => {
        const [answer] =
          (await counter.take([{ type: name, key: keyOf(key), quota }], false)) ?? [];
        counted.set(key, answer);
        const { admitted, used, reset, retryAfter } = answer!.decision;
        return {
          totalHits: admitted ? used : Math.max(used, quota.limit) + 1,
          resetTime: new Date(Date.now() + (admitted ? reset : retryAfter)),
        };
      },
      decrement: async (key) => {
        const answer = counted.get(key);
        if (answer) await counter.giveBack([answer]);
      },
      resetKey: async (key) => {
        await connection.del(keyOf(key));
      },
      get: async (key) => {
        const { used, reset } = await algorithm.peek(connection, keyOf(key), quota);
        return used === 0
          ? undefined
          : { totalHits: used, resetTime: new Date(Date.now() + reset) };
      },
    };
  };
}
