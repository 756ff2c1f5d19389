/** Taking stored responses back: by call, and as a middleware that does it before the response ends. */
import type { ServerResponse } from "node:http";
import type { Context } from "../context.ts";
import type { KitError } from "../errors.ts";
import type { KnownRequest, Middleware } from "../request.ts";
import { createCacheStore } from "./store.ts";
import { type Params, parseTemplate, pathOf } from "./template.ts";

/** What `cache` can do beside caching. */
export interface Purging {
  /**
   * Drops all variants of a resource; answers whether there were any.
   *
   * @param params the route's params; where the template names none, in the route's order
   */
  purge(template: string, params?: Params): Promise<boolean>;
  /** A middleware that purges by its own route's params after a non-error response, before it ends. */
  purges(template: string): Middleware;
}

type End = (...args: unknown[]) => ServerResponse;

/** Runs `work` once the response is complete but for its end, if it is no error. */
function beforeEnd(response: ServerResponse, work: () => Promise<void>): void {
  // oxlint-disable-next-line typescript/unbound-method -- called with its response below
  const end = response.end as unknown as End;
  let isEnding = false;
  response.end = ((...args: unknown[]) => {
    if (isEnding) return response;
    isEnding = true;
    if (response.statusCode >= 400) return end.apply(response, args);
    void work().then(() => end.apply(response, args));
    return response;
  }) as typeof response.end;
}

/** Makes the purging of one kit. */
export function createPurging(context: Context): Purging {
  const store = createCacheStore(context);
  const resourceOf = (template: ReturnType<typeof parseTemplate>, params: Params): string =>
    context.keys.cache(pathOf(template, params));
  return {
    purge: async (template, params = {}) =>
      store.purge(resourceOf(parseTemplate(template), params)),
    purges: (text) => {
      const template = parseTemplate(text);
      return function purges(request, response, next) {
        const resource = resourceOf(template, (request as KnownRequest).params ?? {});
        beforeEnd(response, async () => {
          try {
            await store.purge(resource);
          } catch (error) {
            // The write itself succeeded; entries end with their ttl.
            context.events.emit("redis-error", {
              error: error as KitError,
              during: "purging the cache",
            });
          }
        });
        next();
      };
    },
  };
}
