/** Which route caches under which template: two of them would purge each other's entries. */
import type { Config } from "../../config.ts";
import { KitError } from "../../errors.ts";
import type { KnownRequest, Middleware } from "../../request.ts";
import type { Template } from "../template.ts";

type Route = NonNullable<KnownRequest["route"]>;

/** The routes of one kit. */
export interface Routes {
  /**
   * Whether the template is free for the route that this middleware answers; in production a second
   * route goes without a cache instead.
   *
   * @throws KitError `CACHE_TEMPLATE_CONFLICT` outside production
   */
  claim(template: Template, route: Route | undefined, middleware: Middleware): boolean;
}

/** Makes a kit's register of routes. */
export function createRoutes(environment: Config["environment"]): Routes {
  const paths = new Map<string, string>();
  /** Routes that were looked at before, with the middleware that asked. */
  const known = new WeakMap<Route, Map<Middleware, boolean>>();
  const judge = (template: Template, { path, stack }: Route, middleware: Middleware): boolean => {
    // Express leaves `req.route` of a route that a request only passed through.
    if (path === undefined || stack?.some(({ handle }) => handle === middleware) !== true) {
      return true;
    }
    const route = [path].flat().join(", ");
    const other = paths.get(template.text);
    paths.set(template.text, other ?? route);
    if (other === undefined || other === route) return true;
    if (environment === "production") return false;
    throw new KitError("CACHE_TEMPLATE_CONFLICT", {
      message: `The routes '${other}' and '${route}' both cache under '${template.text}'.`,
      fix: "Give each route a template of its own.",
    });
  };
  return {
    claim: (template, route, middleware) => {
      if (route === undefined) return true;
      const verdict = known.get(route)?.get(middleware);
      if (verdict !== undefined) return verdict;
      const isFree = judge(template, route, middleware);
      const verdicts = known.get(route) ?? new Map<Middleware, boolean>();
      known.set(route, verdicts.set(middleware, isFree));
      return isFree;
    },
  };
}
