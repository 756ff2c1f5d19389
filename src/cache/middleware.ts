/** `cache()`: answers from what was stored, or lets the handler answer and stores that. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Context } from "../context.ts";
import type { KnownRequest, Middleware } from "../request.ts";
import type { Engine } from "./engine.ts";
import { Lookup } from "./lookup.ts";
import { type CacheOptions, planCache } from "./options.ts";
import { type Bypass, Places, resourceOf } from "./request/place-of.ts";
import { createRoutes } from "./request/routes.ts";
import { parseTemplate, type Template } from "./template.ts";
import { makeRoomy } from "../roomy.ts";
import { beforeEnd } from "./response/before-end.ts";
import { setCacheStatus } from "./response/reply.ts";
import { Serving } from "./serving.ts";
import type { Place } from "./store/place.ts";

/** RFC 9110, section 9.2.1, but for TRACE and OPTIONS of which no cache knows anything. */
const SAFE = new Set(["GET", "HEAD", "OPTIONS", "TRACE"]);

/** Makes the caching middlewares of one kit. */
export function createCacheMiddleware(
  context: Context,
  engine: Engine,
): (template: string, options?: CacheOptions) => Middleware {
  const routes = createRoutes(context.config.environment);
  return (text, options = {}) => {
    const template = parseTemplate(text);
    const plan = planCache(options, context.config.cache);
    const places = new Places(context, template, plan);
    const expected = (request: IncomingMessage) => places.expected(request);
    const lookup = new Lookup(context.prefetch, engine, plan.memory, expected);
    const serving = new Serving(engine, plan, lookup);
    const bypass = createBypassing(context, engine, template);

    return function cache(request, response, next) {
      makeRoomy(request, response);
      if (request.method !== "GET" && request.method !== "HEAD") {
        if (plan.isOrigin) invalidateAfter(context, engine, template, request, response);
        return next();
      }
      let place: Place | Bypass;
      try {
        const isFree = routes.claim(template, (request as KnownRequest).route, cache);
        place = isFree ? places.of(request) : { bypass: "template-conflict" };
      } catch (error) {
        return next(error);
      }
      if ("bypass" in place) bypass(response, place, next);
      else serving.serve({ request, response, place, next });
    };
  };
}

/** Lets requests go on that the cache has nothing to do with; says why, and once how to change that. */
function createBypassing(
  { config, notices }: Context,
  { teller }: Engine,
  { text }: Template,
): (response: ServerResponse, why: Bypass, next: () => void) => void {
  let hasWarned = false;
  return (response, { bypass: reason, isPersonal = false }, next) => {
    setCacheStatus(response, `fwd=bypass; detail=${reason}`);
    teller.tell(text, "bypass", reason);
    if (config.environment === "development" && isPersonal && !hasWarned) {
      hasWarned = true;
      notices.add(
        `cache('${text}') leaves requests alone that carry something personal (here: ${reason}). If the response is the same for all whom you let through, say scope: 'public'; if it is a user's own, scope: 'user'; if it is a group's, scope: (req) => …`,
      );
    }
    next();
  };
}

/** RFC 9111, section 4.4: a method that is not safe takes back what is stored for its target, unless it fails. */
function invalidateAfter(
  context: Context,
  engine: Engine,
  template: Template,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  if (SAFE.has(request.method ?? "")) return;
  setCacheStatus(response, "fwd=method");
  const resource = resourceOf(context, template, (request as KnownRequest).params ?? {});
  if (resource !== undefined) beforeEnd(response, () => engine.dropQuietly([resource]));
}
