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

/** And how many of one key. */
const MOST_UNDER_WAY = 100;

/** Options of `rateLimitStore()`. */
export interface RateLimitStoreOptions {
  /** Default: `'sliding-window'`. */
  algorithm?: AlgorithmName;
}

/** What the shell may still give back of a key: it says which key, not which request. */
interface Counted {
  readonly admitted: Answer[];
  refused: number;
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
    const counted = new LRUCache<string, Counted>({ max: MOST_COUNTED });
    /** The shell decrements for what it refused, too; that was never counted. */
    let decrementsRefused = false;
    // The shell evaluates a `limit` function after it has counted: then everything is counted.
    let quota: Quota = { limit: Number.MAX_SAFE_INTEGER, window: 60_000 };
    const keyOf = (key: string): string => context.keys.rateLimit(name, [key]);

    return {
      localKeys: false,
      prefix: context.keys.rateLimit(name, [""]),
      init: ({ windowMs, limit, skipFailedRequests }: ShellOptions) => {
        decrementsRefused = skipFailedRequests;
        register(context, name, { algorithm: algorithmName, window: windowMs });
        quota = {
          window: windowMs,
          limit: typeof limit === "number" ? limit : Number.MAX_SAFE_INTEGER,
        };
      },
      increment: async (key): Promise<ClientRateLimitInfo> => {
        const [answer] =
          (await counter.take([{ type: name, key: keyOf(key), quota }], false)) ?? [];
        const known = counted.get(key) ?? { admitted: [], refused: 0 };
        if (answer!.decision.admitted) known.admitted.push(answer!);
        else if (decrementsRefused) known.refused += 1;
        if (known.admitted.length > MOST_UNDER_WAY) known.admitted.shift();
        counted.set(key, known);
        const { admitted, used, reset, retryAfter } = answer!.decision;
        return {
          totalHits: admitted ? used : Math.max(used, quota.limit) + 1,
          resetTime: new Date(Date.now() + (admitted ? reset : retryAfter)),
        };
      },
      decrement: async (key) => {
        const known = counted.get(key);
        if (known && known.refused > 0) known.refused -= 1;
        else {
          const answer = known?.admitted.pop();
          if (answer) await counter.giveBack([answer]);
        }
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
