/** What cache() can be told, checked once. */
import type { Request } from "express";
import type { CacheSettings, DefaultScope } from "../config/cache-defaults.ts";
import {
  checkOptions,
  type Duration,
  invalidOption,
  parseDuration,
  parseNames,
} from "../validate.ts";
import {
  type EngineOptions,
  type EnginePlan,
  type LifeOptions,
  type Life,
  parseEngine,
  parseLife,
  STANDARD_TTL,
} from "./engine-options.ts";
import { parseTag, type Template } from "./template.ts";

/**
 * Whom a stored response may be served to: `'public'`, all whom the middleware before the cache let
 * through; `'user'`, the same user only; a function, all with the same answer (a tenant).
 */
export type Scope = DefaultScope | ((request: Request) => string | undefined);

/** Options of `cache()`. */
export interface CacheOptions extends Omit<LifeOptions, "ttl">, EngineOptions {
  /**
   * How long a response is fresh; ±10 % is added, so that entries do not all end together. `'origin'`:
   * as the response's own Cache-Control and Expires say (RFC 9111). Default: `'60s'`.
   */
  ttl?: Duration;
  /** How long 404 and 410 are kept; with `ttl: 'origin'` they need no such word. Default: not at all. */
  notFound?: Duration;
  /** Default: only requests that carry nothing personal are served and stored; see the README. */
  scope?: Scope;
  /**
   * Query parameters that the response depends on; any other one bypasses the cache. `'all'`: the whole
   * query, as it is written. Default: none.
   */
  query?: readonly string[] | "all";
  /** Query parameters that are taken off the request before the handler sees it; `*` at the end matches a prefix. Default: none. */
  ignoreQuery?: readonly string[];
  /** Request header fields that the response depends on. Default: none. */
  vary?: readonly string[];
  /** Cookies that do not make a request personal. Default: none. */
  ignoreCookies?: readonly string[];
  /** Whether host and scheme are part of what a response depends on. Default: true. */
  host?: boolean;
  /**
   * What `purgeTag()` takes back together: templates such as `'brand:[id]'`, filled with the route's
   * params, or a function that answers tags. Default: none.
   */
  tags?: readonly string[] | ((request: Request) => readonly string[]);
}

type TagsOf = (request: Request) => readonly string[];

/** The options, resolved. Times are milliseconds. */
export interface CachePlan extends EnginePlan {
  /** `ttl: 'origin'`: the response's own header fields decide, and `life` where they say nothing of stale ones. */
  readonly isOrigin: boolean;
  readonly life: Life;
  readonly notFound: number | undefined;
  readonly scope: Scope | undefined;
  readonly query: readonly string[] | "all";
  readonly isIgnored: (parameter: string) => boolean;
  readonly vary: readonly string[];
  readonly ignoreCookies: readonly string[];
  readonly host: boolean;
  readonly tags: readonly Template[] | TagsOf;
  /** One variant is all that is to be expected of a resource. */
  readonly isPlain: boolean;
}

const KNOWN: readonly (keyof CacheOptions)[] = [
  "ttl",
  "stale",
  "staleIfError",
  "notFound",
  "scope",
  "query",
  "ignoreQuery",
  "vary",
  "ignoreCookies",
  "host",
  "tags",
  "collapse",
  "memory",
  "maxBytes",
];

/** Resolves the options of one `cache()` call. */
export function planCache(options: CacheOptions, defaults: CacheSettings): CachePlan {
  checkOptions("cache()", options, KNOWN);
  const scope = parseScope(options.scope ?? defaults.scope);
  const host: unknown = options.host ?? true;
  if (typeof host !== "boolean") throw invalidOption("host", host, "true or false");
  const query = options.query === "all" ? "all" : parseNames("query", options.query ?? []);
  const isIgnored = matcherOf(parseNames("ignoreQuery", options.ignoreQuery ?? []));
  const both = query === "all" ? undefined : query.find(isIgnored);
  if (both !== undefined) {
    throw invalidOption("ignoreQuery", both, "parameters that `query` does not name");
  }
  const vary = parseFields(options.vary ?? []);
  const isShared = scope === undefined || scope === "public";
  const isOrigin = options.ttl === "origin";
  return Object.freeze({
    ...parseEngine(options, defaults),
    isOrigin,
    life: parseLife(isOrigin ? { ...options, ttl: STANDARD_TTL } : options),
    notFound:
      options.notFound === undefined ? undefined : parseDuration("notFound", options.notFound),
    scope,
    query,
    isIgnored,
    vary,
    ignoreCookies: parseNames("ignoreCookies", options.ignoreCookies ?? []),
    host,
    tags: parseTags(options.tags ?? []),
    isPlain: isShared && query.length === 0 && vary.length === 0,
  });
}

function parseScope(scope: Scope | undefined): Scope | undefined {
  if (scope === undefined || scope === "public" || scope === "user") return scope;
  if (typeof scope === "function") return scope;
  throw invalidOption("scope", scope, "'public', 'user' or a function");
}

function parseTags(tags: unknown): CachePlan["tags"] {
  if (typeof tags === "function") return tags as TagsOf;
  return Object.freeze(parseNames("tags", tags).map(parseTag));
}

/** Names of header fields (RFC 9110, section 5.1), in one spelling and order. */
function parseFields(value: unknown): readonly string[] {
  const names = parseNames("vary", value);
  const bad = names.find((name) => name === "*" || !/^[!#$%&'*+\-.^_`|~\w]+$/.test(name));
  if (bad !== undefined) throw invalidOption("vary", bad, "names of request header fields");
  return names.map((name) => name.toLowerCase()).toSorted();
}

function matcherOf(names: readonly string[]): (parameter: string) => boolean {
  const exact = new Set(names.filter((name) => !name.endsWith("*")));
  const prefixes = names.filter((name) => name.endsWith("*")).map((name) => name.slice(0, -1));
  return (parameter) =>
    exact.has(parameter) || prefixes.some((prefix) => parameter.startsWith(prefix));
}
