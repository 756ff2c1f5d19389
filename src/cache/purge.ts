/** Taking stored responses back: by call, and as a middleware that does it before the response ends. */
import { type Context, reporter } from "../context.ts";
import { KitError } from "../errors.ts";
import type { KnownRequest, Middleware } from "../request.ts";
import { beforeEnd } from "./before-end.ts";
import { createCacheStore } from "./store.ts";
import { mismatch, type Params, parseTemplate, pathOf, type Template } from "./template.ts";

/** What `cache` can do beside caching. */
export interface Purging {
  /**
   * Drops all variants of a resource; answers whether there were any.
   *
   * @param params the route's params; where the template names none, in the route's order
   * @throws KitError `CACHE_KEY_INCOMPLETE` where they are not those that the template names
   */
  purge(template: string, params?: Params): Promise<boolean>;
  /** A middleware that purges by its own route's params after a non-error response, before it ends. */
  purges(template: string): Middleware;
}

/** What a purge of these params would miss is worse than an error: stale data without a sign. */
function checkParams(template: Template, params: Params): void {
  const { unused, missing } = mismatch(template, params);
  const wrong = missing[0] ?? unused[0];
  if (wrong === undefined) return;
  throw new KitError("CACHE_KEY_INCOMPLETE", {
    message: `A purge of '${template.text}' ${missing.length > 0 ? "lacks" : "was given"} the param '${wrong}'${missing.length > 0 ? "" : ", which the template does not name"}: it would miss what is stored.`,
    fix: "Pass exactly the params that the template names.",
  });
}

/** Makes the purging of one kit. */
export function createPurging(context: Context): Purging {
  const store = createCacheStore(context);
  const resourceOf = (template: Template, params: Params): string => {
    checkParams(template, params);
    return context.keys.cache(pathOf(template, params));
  };
  const drop = async (resource: string): Promise<void> => {
    try {
      await store.purge(resource);
    } catch (error) {
      // The write itself succeeded; entries end with their ttl.
      reporter(context)("purging the cache")(error);
    }
  };
  return {
    purge: async (template, params = {}) =>
      store.purge(resourceOf(parseTemplate(template), params)),
    purges: (text) => {
      const template = parseTemplate(text);
      return function purges(request, response, next) {
        try {
          const resource = resourceOf(template, (request as KnownRequest).params ?? {});
          beforeEnd(response, () => drop(resource));
        } catch (error) {
          return next(error);
        }
        next();
      };
    },
  };
}
