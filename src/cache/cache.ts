/** `cache` as users meet it: the middleware's factory, with all that belongs to it. */
import type { Context } from "../context.ts";
import type { Middleware } from "../request.ts";
import type { CacheCounts } from "./counts.ts";
import { createEngine } from "./engine.ts";
import { createCacheMiddleware } from "./middleware.ts";
import type { CacheOptions } from "./options.ts";
import { createPurging, type Purging } from "./purge.ts";
import { createWrap, type Wrap } from "./wrap.ts";

/** `cache()`, with what takes stored responses back, and `wrap` for any value. */
export interface Cache extends Purging {
  /** Caches a route's GET responses; see the README for options. */
  (template: string, options?: CacheOptions): Middleware;
  /**
   * Answers what is stored under a key, or what `loader` makes, and stores that.
   *
   * A value goes through JSON, for the first caller too; bytes stay bytes. What JSON cannot hold is
   * answered and not stored.
   *
   * @throws KitError `INVALID_CACHE_TEMPLATE`, `CACHE_KEY_INCOMPLETE`, `UNKNOWN_OPTION`, `INVALID_OPTION`,
   * `INVALID_DURATION`; and what `loader` throws
   */
  wrap: Wrap;
  /** What became of requests in this process, by template. */
  counts(): Record<string, CacheCounts>;
}

/** Makes the cache of one kit. */
export function createCache(context: Context): Cache {
  const engine = createEngine(context);
  return Object.assign(createCacheMiddleware(context, engine), createPurging(context, engine), {
    wrap: createWrap(context, engine),
    counts: () => engine.teller.counts(),
  });
}
