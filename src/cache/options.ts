/** What cache() can be told, checked once. */
import type { Request } from "express";
import type { DefaultScope } from "../config.ts";
import {
  checkOptions,
  type Duration,
  invalidOption,
  parseCount,
  parseDuration,
  parseNames,
} from "../validate.ts";

/**
 * Whom a stored response may be served to: `'public'`, all whom the middleware before the cache let
 * through; `'user'`, the same user only; a function, all with the same answer (a tenant).
 */
export type Scope = DefaultScope | ((request: Request) => string | undefined);

/** Options of `cache()`. */
export interface CacheOptions {
  /** How long a response is fresh; ±10 % is added, so that entries do not all end together. Default: `'60s'`. */
  ttl?: Duration;
  /** Default: only requests that carry nothing personal are served and stored; see the README. */
  scope?: Scope;
  /** Query parameters that the response depends on; any other one bypasses the cache. Default: none. */
  query?: readonly string[];
  /** Query parameters that are taken off the request before the handler sees it; `*` at the end matches a prefix. Default: none. */
  ignoreQuery?: readonly string[];
  /** Request header fields that the response depends on. Default: none. */
  vary?: readonly string[];
  /** Cookies that do not make a request personal. Default: none. */
  ignoreCookies?: readonly string[];
  /** Whether host and scheme are part of what a response depends on. Default: true. */
  host?: boolean;
  /** The longest body that is stored, in bytes. Default: 1 MiB. */
  maxBytes?: number;
}

/** The options, resolved. */
export interface CachePlan {
  /** Milliseconds. */
  readonly ttl: number;
  readonly scope: Scope | undefined;
  readonly query: readonly string[];
  readonly isIgnored: (parameter: string) => boolean;
  readonly vary: readonly string[];
  readonly ignoreCookies: readonly string[];
  readonly host: boolean;
  readonly maxBytes: number;
}

const KNOWN: readonly (keyof CacheOptions)[] = [
  "ttl",
  "scope",
  "query",
  "ignoreQuery",
  "vary",
  "ignoreCookies",
  "host",
  "maxBytes",
];

/** Resolves the options of one `cache()` call. */
export function planCache(
  options: CacheOptions,
  standardScope: DefaultScope | undefined,
): CachePlan {
  checkOptions("cache()", options, KNOWN);
  const scope = options.scope ?? standardScope;
  if (
    scope !== undefined &&
    scope !== "public" &&
    scope !== "user" &&
    typeof scope !== "function"
  ) {
    throw invalidOption("scope", scope, "'public', 'user' or a function");
  }
  const host: unknown = options.host ?? true;
  if (typeof host !== "boolean") throw invalidOption("host", host, "true or false");
  const query = parseNames("query", options.query ?? []);
  const isIgnored = matcherOf(parseNames("ignoreQuery", options.ignoreQuery ?? []));
  const both = query.find(isIgnored);
  if (both !== undefined) {
    throw invalidOption("ignoreQuery", both, "parameters that `query` does not name");
  }
  return Object.freeze({
    ttl: parseDuration("ttl", options.ttl ?? "60s"),
    scope,
    query: [...query].toSorted(),
    isIgnored,
    vary: parseFields(options.vary ?? []),
    ignoreCookies: parseNames("ignoreCookies", options.ignoreCookies ?? []),
    host,
    maxBytes: parseCount("maxBytes", options.maxBytes ?? 1024 * 1024),
  });
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
