/** `rateLimitStore()`: the bare store, for people who keep their own express-rate-limit call. */
import type { ClientRateLimitInfo, Options as ShellOptions, Store } from "express-rate-limit";
import type { Context } from "../context.ts";
import { checkOptions, parseChoice } from "../validate.ts";
import type { Quota } from "./algorithm.ts";
import { createCounter } from "./counter.ts";
import { ALGORITHMS } from "./middleware.ts";
import { type AlgorithmName, parseType } from "./options.ts";

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
    const algorithm =
      ALGORITHMS[
        parseChoice("algorithm", options.algorithm ?? "sliding-window", [
          "sliding-window",
          "fixed-window",
        ] as const)
      ];
    const { connection, keys } = context;
    const counter = createCounter(context, algorithm, "memory");
    const name = parseType(type);
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
        const { admitted, used, reset, retryAfter } = answer!.decision;
        return {
          totalHits: admitted ? used : Math.max(used, quota.limit) + 1,
          resetTime: new Date(Date.now() + (admitted ? reset : retryAfter)),
        };
      },
      decrement: async (key) => {
        const { token } = await algorithm.peek(connection, keyOf(key), quota);
        await algorithm.giveBack(connection, keyOf(key), quota, token);
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
