/** `cache()`: answers from what was stored, or lets the handler answer and stores that. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { type Context, reporter } from "../context.ts";
import { KitError } from "../errors.ts";
import type { KnownRequest, Middleware } from "../request.ts";
import { type CacheOptions, type CachePlan, planCache } from "./options.ts";
import { record } from "./recording.ts";
import { reply, setCacheStatus } from "./reply.ts";
import { sharingOf } from "./sharing.ts";
import { type CacheStore, createCacheStore } from "./store.ts";
import { mismatch, parseTemplate, pathOf, type Template } from "./template.ts";
import { hashOf, hideIgnoredQuery, variantOf } from "./variant.ts";

/** Where a request's response is kept, or why it is not. */
type Place =
  | { readonly resource: string; readonly variant: string }
  | { readonly bypass: string; readonly isPersonal?: boolean };

/** Makes the caching middlewares of one kit. */
export function createCacheMiddleware(
  context: Context,
): (template: string, options?: CacheOptions) => Middleware {
  const store = createCacheStore(context);
  const routes = new Map<string, string>();
  return (text, options = {}) => {
    const template = parseTemplate(text);
    const plan = planCache(options, context.config.cacheScope);
    const turn = createTurn(context, store, template, plan);

    return function cache(request, response, next) {
      if (request.method !== "GET" && request.method !== "HEAD") return next();
      let place: Place;
      try {
        const isFree = claimRoute(routes, template, request, cache, context.config.environment);
        hideIgnoredQuery(request, plan);
        place = isFree
          ? placeOf(context, template, plan, request)
          : { bypass: "template-conflict" };
      } catch (error) {
        return next(error);
      }
      if ("bypass" in place) turn.bypass(response, place, next);
      else void turn.look(request, response, place, next);
    };
  };
}

/**
 * Two routes with one template would purge each other's entries.
 *
 * @returns whether the template is free for this route; in production a second one goes without a cache
 */
function claimRoute(
  routes: Map<string, string>,
  template: Template,
  request: KnownRequest,
  cache: Middleware,
  environment: string,
): boolean {
  const { path, stack } = request.route ?? {};
  // Express leaves `req.route` of a route that a request only passed through.
  if (path === undefined || stack?.some(({ handle }) => handle === cache) !== true) return true;
  const route = [path].flat().join(", ");
  const other = routes.get(template.text);
  routes.set(template.text, other ?? route);
  if (other === undefined || other === route) return true;
  if (environment === "production") return false;
  throw new KitError("CACHE_TEMPLATE_CONFLICT", {
    message: `The routes '${other}' and '${route}' both cache under '${template.text}'.`,
    fix: "Give each route a template of its own.",
  });
}

function placeOf(
  { config, keys }: Context,
  template: Template,
  plan: CachePlan,
  request: KnownRequest,
): Place {
  const params = request.params ?? {};
  const { unused, missing } = mismatch(template, params);
  if (unused.length + missing.length > 0) {
    if (config.environment === "production") return { bypass: "incomplete-key" };
    throw new KitError("CACHE_KEY_INCOMPLETE", {
      message:
        unused.length > 0
          ? `The route has the param '${unused[0]}', which the template '${template.text}' lacks: one entry would be served for all of its values.`
          : `The template '${template.text}' names the param '${missing[0]}', which the route lacks.`,
      fix:
        unused.length > 0
          ? `Write [${unused[0]}] into the template, or use one without any [param]: then all of the route's are taken.`
          : "Name the params as the route does.",
    });
  }
  // RFC 9110, section 9.3.1: such a body has no meaning, but a parser may have handed it on.
  if (hasBody(request)) return { bypass: "body" };
  const parts = variantOf(request, plan, config.trust);
  if ("bypass" in parts) return parts;
  const sharing = sharingOf(request, plan);
  if ("bypass" in sharing) return sharing;
  const resource = keys.cache(pathOf(template, params));
  return { resource, variant: keys.cacheVariant(resource, hashOf(parts.parts, sharing.variant)) };
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
}

/** What is done with one request, once its place is known. */
interface Turn {
  bypass(
    response: ServerResponse,
    why: { bypass: string; isPersonal?: boolean },
    next: () => void,
  ): void;
  look(
    request: IncomingMessage,
    response: ServerResponse,
    place: { resource: string; variant: string },
    next: (error?: unknown) => void,
  ): Promise<void>;
}

function createTurn(
  context: Context,
  store: CacheStore,
  template: Template,
  plan: CachePlan,
): Turn {
  const { events, notices, config } = context;
  const tell = (outcome: "hit" | "miss" | "stored" | "bypass" | "refused", detail?: string): void =>
    events.emit("cache", {
      template: template.text,
      outcome,
      ...(detail !== undefined && { detail }),
    });
  const report = reporter(context);

  let hasWarned = false;

  const bypass: Turn["bypass"] = (response, { bypass: reason, isPersonal = false }, next) => {
    setCacheStatus(response, `fwd=bypass; detail=${reason}`);
    tell("bypass", reason);
    if (config.environment === "development" && isPersonal && !hasWarned) {
      hasWarned = true;
      notices.add(
        `cache('${template.text}') leaves requests alone that carry something personal (here: ${reason}). If the response is the same for all whom you let through, say scope: 'public'; if it is a user's own, scope: 'user'; if it is a group's, scope: (req) => …`,
      );
    }
    next();
  };

  const look: Turn["look"] = async (request, response, place, next) => {
    let token: string;
    try {
      const entry = await store.find(place.resource, place.variant);
      if (entry) {
        tell("hit");
        reply(request, response, entry);
        return;
      }
      token = request.method === "GET" ? await store.token(place.resource, plan.ttl) : "";
    } catch (error) {
      report("reading the cache")(error);
      const detail = error instanceof KitError ? error.code : "error";
      setCacheStatus(response, `fwd=miss; detail=${detail}`);
      tell("miss", detail);
      next();
      return;
    }
    tell("miss");
    if (request.method === "HEAD") setCacheStatus(response, "fwd=miss");
    else {
      record(plan, request, response, token, (entry, refusal) => {
        if (entry === undefined) return tell("refused", refusal);
        store
          .put(place.variant, entry, entry.expiresAt - entry.storedAt)
          .then(() => tell("stored"), report("storing a response"));
      });
    }
    next();
  };
  return { bypass, look };
}
