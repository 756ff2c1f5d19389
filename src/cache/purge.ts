/** Taking back what is stored, or calling it stale: by resource, by tag, by user, and all of it. */
import type { Context } from "../context.ts";
import { KitError } from "../errors.ts";
import type { KnownRequest, Middleware } from "../request.ts";
import { parseUserId, type UserId } from "../user-id.ts";
import { checkOptions, invalidOption } from "../validate.ts";
import type { Engine } from "./engine.ts";
import {
  mismatch,
  missingParam,
  type Params,
  parseTag,
  parseTemplate,
  pathOf,
  type Template,
} from "./template.ts";
import { beforeEnd } from "./response/before-end.ts";

/** What {@link Purging.purges} takes back: a template and the tag of that name, or one of the two. */
export type PurgeTarget = string | TemplateTarget | TagTarget;

/** A resource alone. */
export interface TemplateTarget {
  /** Its template. */
  template: string;
}

/** A tag alone. */
export interface TagTarget {
  /** The tag, with `[params]` of the route that purges. */
  tag: string;
}

/** What `cache` can do beside caching. */
export interface Purging {
  /**
   * Drops all variants of a resource; answers whether there were any.
   *
   * @param params the route's params; where the template names none, in the route's order
   * @throws KitError `CACHE_KEY_INCOMPLETE` where they are not those that the template names
   */
  purge(template: string, params?: Params): Promise<boolean>;
  /**
   * Calls all variants of a resource stale as of now: they are served by the rules of `stale` and
   * `staleIfError`, and are otherwise as good as purged. Answers whether there were any.
   *
   * @throws KitError `CACHE_KEY_INCOMPLETE`
   */
  expire(template: string, params?: Params): Promise<boolean>;
  /**
   * Drops all that carries a tag: `'brand:456'`, or `'brand:[id]'` with its params. Answers whether
   * there was anything.
   *
   * @throws KitError `CACHE_KEY_INCOMPLETE`, `INVALID_CACHE_TEMPLATE`
   */
  purgeTag(tag: string, params?: Params): Promise<boolean>;
  /**
   * As {@link expire}, of all that carries a tag.
   *
   * @throws KitError `CACHE_KEY_INCOMPLETE`, `INVALID_CACHE_TEMPLATE`
   */
  expireTag(tag: string, params?: Params): Promise<boolean>;
  /**
   * Drops all that was stored for one user alone, under `scope: 'user'`. Answers whether there was anything.
   *
   * @throws KitError `INVALID_USER_ID`
   */
  purgeUser(id: UserId): Promise<boolean>;
  /** Drops everything. Takes time in proportion to how much there is, as it walks over all keys. */
  clear(): Promise<void>;
  /**
   * A middleware that purges by its own route's params after a non-error response, before it ends: a
   * client that has the response reads what it wrote.
   *
   * @throws KitError `INVALID_CACHE_TEMPLATE`, `INVALID_OPTION` where nothing is named; at a request
   * `CACHE_KEY_INCOMPLETE`
   */
  purges(...targets: PurgeTarget[]): Middleware;
}

/** What a purge of these params would miss is worse than an error: stale data without a sign. */
function incomplete(template: Template, wrong: string, isMissing: boolean): KitError {
  return new KitError("CACHE_KEY_INCOMPLETE", {
    message: `A purge of '${template.text}' ${isMissing ? "lacks" : "was given"} the param '${wrong}'${isMissing ? "" : ", which the template does not name"}: it would miss what is stored.`,
    fix: "Pass exactly the params that the template names.",
  });
}

function checkParams(template: Template, params: Params): void {
  const { unused, missing } = mismatch(template, params);
  if (missing[0] !== undefined) throw incomplete(template, missing[0], true);
  if (unused[0] !== undefined) throw incomplete(template, unused[0], false);
}

/** From a route's params to the keys of one target. */
type KeysOf = (params: Params) => string[];

/** Makes the purging of one kit. */
export function createPurging(context: Context, engine: Engine): Purging {
  const { keys, connection } = context;
  const resourceKey = (text: string, params: Params = {}): string => {
    const template = parseTemplate(text);
    checkParams(template, params);
    return keys.cache(pathOf(template, params));
  };
  const tagKey = (text: string, params: Params = {}): string => {
    const tag = parseTag(text);
    checkParams(tag, params);
    return keys.cacheTag(pathOf(tag, params));
  };
  return {
    purge: async (template, params) => engine.drop([resourceKey(template, params)]),
    purgeTag: async (tag, params) => engine.drop([tagKey(tag, params)]),
    purgeUser: async (id) => engine.drop([keys.cacheUser(parseUserId(id))]),
    expire: async (template, params) => engine.expire(resourceKey(template, params)),
    expireTag: async (tag, params) => engine.expire(tagKey(tag, params)),
    clear: async () => {
      try {
        for await (const batch of connection.scan(keys.cachePrefix)) {
          await Promise.all(batch.map((key) => connection.del(key)));
        }
      } finally {
        context.prefetch.changes.noteAll();
        await engine.tiers.clear();
      }
    },
    purges: (...targets) => {
      if (targets.length === 0) {
        throw invalidOption("purges()", undefined, "given a template or a tag at least");
      }
      const keysOf = targets.map((target) => readTarget(context, target));
      return function purges(request, response, next) {
        try {
          const { params = {} } = request as KnownRequest;
          const dropped = [...new Set(keysOf.flatMap((of) => of(params)))];
          beforeEnd(response, () => engine.dropQuietly(dropped));
        } catch (error) {
          return next(error);
        }
        next();
      };
    },
  };
}

function partsOf(target: PurgeTarget): { template?: string; tag?: string } {
  if (typeof target === "object" && target !== null && ("tag" in target || "template" in target)) {
    checkOptions("purges()", target, ["template", "tag"]);
    return target;
  }
  return { template: target, tag: target };
}

/** Reads a target of `purges()`. */
function readTarget({ keys }: Context, target: PurgeTarget): KeysOf {
  const { template: text, tag: name } = partsOf(target);
  const template = text === undefined && name !== undefined ? undefined : parseTemplate(text);
  const tag = name === undefined ? undefined : parseTag(name);
  return (params) => [
    ...(template ? [keys.cache(filled(template, params))] : []),
    ...(tag ? [keys.cacheTag(filled(tag, params))] : []),
  ];
}

/** A route's other params tell nothing of a resource whose template names all of its own. */
function filled(template: Template, params: Params): string[] {
  const missing = missingParam(template, params);
  if (missing !== undefined) throw incomplete(template, missing, true);
  return pathOf(template, params);
}
