/** A route with a limiter before and one after a middleware of the application's. */
import type { KitOptions, Kit, Middleware, RateLimitOptions } from "express-redis-kit";
import { afterRoundTrips } from "./cache.ts";
import { makeKit } from "./kit.ts";
import { until } from "./redis-server.ts";
import { type Listener, serveStack, type Stack } from "./stack.ts";

const HERE = "127.0.0.1";

/** The route. */
export interface TwoLimiters extends Stack {
  readonly kit: Kit;
  /** What the second limiter counts of this machine, requests under way included. */
  readonly counted: () => Promise<number>;
  /** Waits until it counts so many. */
  readonly counts: (used: number) => Promise<void>;
  /** Forgets what both have counted; who follows whom is remembered. */
  readonly reset: () => Promise<void>;
}

/** Their options, and what comes between them. */
export interface TwoLimitersPlan {
  readonly first?: RateLimitOptions;
  readonly second?: RateLimitOptions;
  readonly between?: Middleware;
  readonly listener?: Listener;
}

/** Serves it, so that it is known that the second limiter follows. */
export async function serveTwoLimiters(
  options: KitOptions,
  { first, second, between = (_request, _response, next) => next(), listener }: TwoLimitersPlan,
): Promise<TwoLimiters> {
  const kit = makeKit({ deadline: "10s", ...options });
  const middlewares = [
    kit.rateLimit("first", { limit: 100, ...first }),
    between,
    kit.rateLimit("second", { limit: 100, ...second }),
  ];
  const stack = await serveStack(kit, middlewares, listener);
  const counted = async (): Promise<number> => (await kit.rateLimit.peek("second", HERE)).used;
  const reset = async (): Promise<void> => {
    await afterRoundTrips(kit);
    for (const type of ["first", "second"]) await kit.rateLimit.reset(type, HERE);
  };
  await stack.warm();
  await reset();
  return {
    ...stack,
    kit,
    counted,
    counts: (used) =>
      until(async () => (await counted()) === used, `the second limiter counts ${used}`, 5000),
    reset,
  };
}
