/** From a request to the place of its response, or the reason why it has none. */
import type { IncomingMessage } from "node:http";
import type { Request } from "express";
import { LRUCache } from "lru-cache";
import type { Context } from "../../context.ts";
import { KitError } from "../../errors.ts";
import { variantHash } from "../../keys.ts";
import { Hints } from "../../prefetch/hints.ts";
import { parseNames } from "../../validate.ts";
import { type KnownRequest, originalUrl, requestOrigin } from "../../request.ts";
import type { CachePlan } from "../options.ts";
import type { Place } from "../store/place.ts";
import { ANONYMOUS, personal, type Sharing, sharingOf } from "./sharing.ts";
import {
  mismatch,
  missingParam,
  type Params,
  parseTag,
  pathOf,
  type Template,
} from "../template.ts";
import { hashOf, hideIgnoredQuery, selectedHash, variantOf, withoutIgnored } from "./variant.ts";

/** Why a request passes the cache by. */
export interface Bypass {
  readonly bypass: string;
  /** Something says who is asking: what to do about that is worth a word. */
  readonly isPersonal?: boolean;
}

const WITH_BODY = { bypass: "body", isPersonal: false } as const;

/** How many places one `cache()` remembers, and of how many characters at most. */
const REMEMBERED = 2000;
const LONGEST = 1000;

/** Finds the places of one `cache()`'s requests. */
export class Places {
  readonly #context: Context;
  readonly #template: Template;
  readonly #plan: CachePlan;
  /** What a place is made of is mostly what it was made of before; to make it anew costs as much as Express. */
  readonly #known = new LRUCache<string, Place>({ max: REMEMBERED });
  /** By URL, and by who asks where that counts: what a request will have become when it comes to its route. */
  readonly #routed = new Hints<string>(REMEMBERED);

  constructor(context: Context, template: Template, plan: CachePlan) {
    this.#context = context;
    this.#template = template;
    this.#plan = plan;
  }

  /**
   * Where a request's response is kept.
   *
   * @throws KitError `CACHE_KEY_INCOMPLETE` outside production, where the route's params do not fit
   */
  of(request: KnownRequest): Place | Bypass {
    const plan = this.#plan;
    hideIgnoredQuery(request, plan);
    // RFC 9110, section 9.3.1: a body has no meaning here, but a parser may have handed it on.
    const sharing = hasBody(request) ? WITH_BODY : sharingOf(request, plan);
    const routed = routedOf(request, plan, sharing);
    if (routed === undefined) {
      const made = placeOf(this.#context, this.#template, plan, request, sharing);
      return "bypass" in made ? made : selecting(made, plan, request);
    }
    const url = originalUrl(request);
    const ingredients = this.#arrived(url, request) + routed;
    let place = this.#known.get(ingredients);
    if (place === undefined) {
      const made = placeOf(this.#context, this.#template, plan, request, sharing);
      if ("bypass" in made) return made;
      place = made;
      if (ingredients.length <= LONGEST) this.#known.set(ingredients, place);
    }
    const asker = askerOf(request, plan) + url;
    if (this.#routed.get(asker) !== routed) this.#routed.set(asker, routed);
    return selecting(place, plan, request);
  }

  /** Where the response is kept of a request that has not come to its route yet, if all is as it was before. */
  expected(request: KnownRequest): Place | undefined {
    const plan = this.#plan;
    if (hasBody(request)) return undefined;
    if (plan.scope === undefined && personal(request, plan) !== undefined) return undefined;
    const url = withoutIgnored(originalUrl(request), plan);
    const routed = this.#routed.get(askerOf(request, plan) + url);
    const place = routed && this.#known.get(this.#arrived(url, request) + routed);
    return place ? selecting(place, plan, request) : undefined;
  }

  /** What a place is made of that a request shows from the beginning. */
  #arrived(url: string, request: KnownRequest): string {
    const { host, vary } = this.#plan;
    // Each with its length, so that no value can pose as two.
    const origin = host ? requestOrigin(request, this.#context.config.trust) : "";
    let text = `${url} ${origin.length} ${origin}`;
    for (const name of vary) {
      const value = String(request.headers[name] ?? "");
      text += ` ${value.length} ${value}`;
    }
    return text;
  }
}

/** What a place is made of that shows at the route; undefined where that is more than texts. */
function routedOf(
  request: KnownRequest,
  { tags }: CachePlan,
  sharing: Sharing,
): string | undefined {
  if ("bypass" in sharing || typeof tags === "function") return undefined;
  const { variant } = sharing;
  let text = ` ${request.url} ${variant.length} ${variant}`;
  const { params } = request;
  for (const name in params) {
    const value = params[name];
    if (typeof value !== "string") return undefined;
    text += ` ${name} ${value.length} ${value}`;
  }
  return text;
}

/** By what those may be told apart beforehand who do not share. */
function askerOf({ headers }: KnownRequest, { scope }: CachePlan): string {
  if (scope === undefined || scope === "public") return "";
  // No credentials in memory.
  return variantHash([String(headers.authorization), String(headers.cookie)]);
}

function selecting(place: Place, { isOrigin }: CachePlan, request: KnownRequest): Place {
  if (!isOrigin) return place;
  const { hash } = place;
  const headers = { ...request.headers }; // As they came: a handler may change its own.
  return { ...place, select: (vary) => selectedHash(headers, hash, vary) };
}

function placeOf(
  { config, keys }: Context,
  template: Template,
  plan: CachePlan,
  request: KnownRequest,
  sharing: Sharing,
): Place | Bypass {
  const params = request.params ?? {};
  const wrong = incompleteness(template, params);
  if (wrong !== undefined) {
    if (config.environment === "production") return { bypass: "incomplete-key" };
    throw wrong;
  }
  if (sharing === WITH_BODY) return WITH_BODY;
  const parts = variantOf(request, plan, config.trust);
  if ("bypass" in parts) return parts;
  if ("bypass" in sharing) return sharing;
  const tags = tagsOf(plan, params, request);
  if (tags instanceof KitError) {
    if (config.environment === "production") return { bypass: "incomplete-key" };
    throw tags;
  }
  const path = pathOf(template, params);
  const resource = keys.cache(path);
  const versionKeys = [resource];
  for (const tag of tags) versionKeys.push(keys.cacheTag(tag));
  if (sharing.user !== undefined) versionKeys.push(keys.cacheUser(sharing.user));
  const hash = hashOf(parts.parts, sharing.variant);
  return {
    template: template.text,
    path,
    versionKeys,
    hash,
    variantKey: keys.cacheVariant(resource, hash),
    isAnonymous: sharing.variant === ANONYMOUS.variant,
    isPlain: plan.isPlain,
  };
}

/** The key of a request's resource, whatever its variant; for what takes it back. */
export function resourceOf(
  { keys }: Context,
  template: Template,
  params: Params,
): string | undefined {
  return incompleteness(template, params) === undefined
    ? keys.cache(pathOf(template, params))
    : undefined;
}

function hasBody(request: IncomingMessage): boolean {
  const { headers } = request;
  // HTTP/2 announces a body by not ending the stream with the header.
  const { stream } = request as { stream?: { endAfterHeaders?: boolean } };
  if (stream?.endAfterHeaders === false) return true;
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
}

/** The paths of a request's tags, or what is wrong with one. */
function tagsOf({ tags }: CachePlan, params: Params, request: KnownRequest): string[][] | KitError {
  if (typeof tags !== "function") return pathsOf(tags, params);
  try {
    const named = parseNames("tags", tags(request as unknown as Request));
    return pathsOf([...new Set(named)].map(parseTag), params);
  } catch (error) {
    if (error instanceof KitError) return error;
    throw error;
  }
}

function pathsOf(tags: readonly Template[], params: Params): string[][] | KitError {
  const paths: string[][] = [];
  for (const tag of tags) {
    const wrong = missingIn("tag", tag, params);
    if (wrong) return wrong;
    paths.push(pathOf(tag, params));
  }
  return paths;
}

function incompleteness(template: Template, params: Params): KitError | undefined {
  const { unused } = mismatch(template, params);
  if (unused.length > 0) {
    return new KitError("CACHE_KEY_INCOMPLETE", {
      message: `The route has the param '${unused[0]}', which the template '${template.text}' lacks: one entry would be served for all of its values.`,
      fix: `Write [${unused[0]}] into the template, or use one without any [param]: then all of the route's are taken.`,
    });
  }
  return missingIn("template", template, params);
}

function missingIn(what: string, template: Template, params: Params): KitError | undefined {
  const param = missingParam(template, params);
  if (param === undefined) return undefined;
  return new KitError("CACHE_KEY_INCOMPLETE", {
    message: `The ${what} '${template.text}' names the param '${param}', which the route lacks.`,
    fix: "Name the params as the route does.",
  });
}
