/** From a request to the place of its response, or the reason why it has none. */
import type { IncomingMessage } from "node:http";
import type { Request } from "express";
import type { Context } from "../../context.ts";
import { KitError } from "../../errors.ts";
import type { KnownRequest } from "../../request.ts";
import type { CachePlan } from "../options.ts";
import type { Place } from "../store/place.ts";
import { sharingOf } from "./sharing.ts";
import { mismatch, type Params, parseTag, pathOf, type Template } from "../template.ts";
import { hashOf, selectedHash, variantOf } from "./variant.ts";

/** Why a request passes the cache by. */
export interface Bypass {
  readonly bypass: string;
  /** Something says who is asking: what to do about that is worth a word. */
  readonly isPersonal?: boolean;
}

/**
 * Where a request's response is kept.
 *
 * @throws KitError `CACHE_KEY_INCOMPLETE` outside production, where the route's params do not fit
 */
export function placeOf(
  { config, keys }: Context,
  template: Template,
  plan: CachePlan,
  request: KnownRequest,
): Place | Bypass {
  const params = request.params ?? {};
  const wrong = incompleteness(template, params);
  if (wrong !== undefined) {
    if (config.environment === "production") return { bypass: "incomplete-key" };
    throw wrong;
  }
  // RFC 9110, section 9.3.1: such a body has no meaning, but a parser may have handed it on.
  if (hasBody(request)) return { bypass: "body" };
  const parts = variantOf(request, plan, config.trust);
  if ("bypass" in parts) return parts;
  const sharing = sharingOf(request, plan);
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
    isPlain: plan.isPlain,
    ...(plan.life === undefined && {
      select: (vary: readonly string[]) => selectedHash(request.headers, hash, vary),
    }),
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

function hasBody({ headers }: IncomingMessage): boolean {
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
}

/** The paths of a request's tags, or what is wrong with one. */
function tagsOf({ tags }: CachePlan, params: Params, request: KnownRequest): string[][] | KitError {
  if (typeof tags !== "function") return pathsOf(tags, params);
  try {
    return pathsOf([...new Set(tags(request as unknown as Request))].map(parseTag), params);
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
  const { unused, missing } = mismatch(template, params);
  if (unused.length > 0) {
    return new KitError("CACHE_KEY_INCOMPLETE", {
      message: `The route has the param '${unused[0]}', which the template '${template.text}' lacks: one entry would be served for all of its values.`,
      fix: `Write [${unused[0]}] into the template, or use one without any [param]: then all of the route's are taken.`,
    });
  }
  return missing.length > 0 ? missingIn("template", template, params) : undefined;
}

function missingIn(what: string, template: Template, params: Params): KitError | undefined {
  const [param] = mismatch(template, params).missing;
  if (param === undefined) return undefined;
  return new KitError("CACHE_KEY_INCOMPLETE", {
    message: `The ${what} '${template.text}' names the param '${param}', which the route lacks.`,
    fix: "Name the params as the route does.",
  });
}
