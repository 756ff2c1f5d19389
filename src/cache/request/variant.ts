/** What tells one variant of a resource from another: path, host, query, named headers, and who shares it. */
import { variantHash } from "../../keys.ts";
import { type KnownRequest, originalUrl, requestOrigin } from "../../request.ts";
import type { Trust } from "../../config/trust-proxy.ts";
import type { CachePlan } from "../options.ts";

/** A query as it arrived, taken apart but not decoded: nothing that a parser may see differently is lost. */
interface RawQuery {
  readonly pairs: readonly string[];
}

function splitUrl(url: string): { path: string; query: RawQuery } {
  const at = url.indexOf("?");
  if (at < 0) return { path: url, query: { pairs: [] } };
  return {
    path: url.slice(0, at),
    query: {
      pairs: url
        .slice(at + 1)
        .split("&")
        .filter(Boolean),
    },
  };
}

/** A parameter's name; what cannot be decoded stays as it is, and so is in nobody's list. */
function nameOf(pair: string): string {
  const raw = pair.split("=", 1)[0]!.replaceAll("+", " ");
  try {
    return decodeURIComponent(raw);
  } catch {
    return raw;
  }
}

/** The variant's parts, or the reason why the query rules the cache out. */
export type VariantParts = { readonly parts: readonly string[] } | { readonly bypass: string };

/** Collects what a response may depend on. Ignored query parameters have been taken off before. */
export function variantOf(request: KnownRequest, plan: CachePlan, trust: Trust): VariantParts {
  const { path, query } = splitUrl(originalUrl(request));
  const kept = query.pairs.length === 0 ? "" : keptQuery(query.pairs, plan.query);
  if (kept === undefined) return { bypass: "query" };
  // Beside the URL that arrived, the one that middlewares and routers have made of it.
  const url = request.url ?? "";
  const seen = splitUrl(url);
  const isQueryKept = seen.query.pairs.join("&") === query.pairs.join("&");
  const parts = [
    path,
    isQueryKept ? seen.path : url,
    plan.host ? requestOrigin(request, trust) : "",
    kept,
  ];
  for (const name of plan.vary) parts.push(name, String(request.headers[name] ?? ""));
  return { parts };
}

/** What of a query tells variants apart; undefined where there is more than what was named. */
function keptQuery(pairs: readonly string[], names: CachePlan["query"]): string | undefined {
  if (names === "all") return pairs.join("&");
  const named = pairs.map((pair) => ({ name: nameOf(pair), pair }));
  if (named.some(({ name }) => !names.includes(name))) return undefined;
  // Sorted by name alone: of a parameter that repeats, the order may matter to the handler.
  const sorted = named.toSorted((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  return sorted.map(({ pair }) => pair).join("&");
}

/** As one field value is written in several ways (RFC 9111, section 4.1): lines and space do not count. */
function normalized(value: string | string[] | undefined): string {
  return value === undefined
    ? ""
    : `=${[value]
        .flat()
        .flatMap((line) => line.split(","))
        .map((part) => part.trim())
        .join(",")}`;
}

/** The hash of the stored variant that a request selects by the fields that a response's Vary names. */
export function selectedHash(
  headers: KnownRequest["headers"],
  hash: string,
  vary: readonly string[],
): string {
  return variantHash([hash, ...vary.flatMap((name) => [name, normalized(headers[name])])]);
}

/** The hash that names a variant in its key. */
export function hashOf(parts: readonly string[], sharing: string): string {
  return variantHash([sharing, ...parts]);
}

function without(url: string, isIgnored: (name: string) => boolean): string {
  const { path, query } = splitUrl(url);
  const kept = query.pairs.filter((pair) => !isIgnored(nameOf(pair)));
  if (kept.length === query.pairs.length) return url;
  return kept.length > 0 ? `${path}?${kept.join("&")}` : path;
}

/** A URL without its ignored parameters. */
export function withoutIgnored(url: string, { isIgnored }: CachePlan): string {
  return url.includes("?") ? without(url, isIgnored) : url;
}

/** Takes ignored parameters off `url`, `originalUrl` and `query`: what the key ignores, the handler must not see. */
export function hideIgnoredQuery(request: KnownRequest, plan: CachePlan): void {
  const before = originalUrl(request);
  const after = withoutIgnored(before, plan);
  if (after === before) return;
  request.url = without(request.url ?? before, plan.isIgnored);
  if (request.originalUrl !== undefined) request.originalUrl = after;
  const query: unknown = request.query;
  if (typeof query !== "object" || query === null) return;
  const kept = Object.fromEntries(Object.entries(query).filter(([name]) => !plan.isIgnored(name)));
  // Express 5's `query` is a getter on the prototype; Express 4's is a plain property.
  Object.defineProperty(request, "query", {
    value: kept,
    configurable: true,
    enumerable: true,
    writable: true,
  });
}
