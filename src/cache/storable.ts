/** Which responses may be stored, judged on the header fields that were actually sent; and which of them. */
import type { OutgoingHttpHeaders } from "node:http";
import type { Fields } from "./entry.ts";

/** Statuses that are stored: a subset of what RFC 9110, section 15.1 calls heuristically cacheable. */
const STATUSES = new Set([200, 203, 301, 308]);

/** RFC 9111, section 5.2.2: what forbids a shared cache to reuse a response without asking. */
const FORBIDDING = ["private", "no-store", "no-cache"];

/** The tokens of a list-valued field. */
export function tokensOf(value: number | string | readonly string[] | undefined): string[] {
  return [value ?? []]
    .flat()
    .flatMap((line) => String(line).split(","))
    .map((token) => token.trim())
    .filter(Boolean);
}

/** What {@link refusalOf} judges. */
export interface Judged {
  readonly status: number;
  readonly fields: OutgoingHttpHeaders;
  /** As the fields stood when the request reached the cache. */
  readonly baseline: OutgoingHttpHeaders;
  /** Request fields that are part of the variant. */
  readonly vary: readonly string[];
}

/**
 * Node sends such a value in one of two encodings, depending on what the body is made of; how this
 * one went cannot be told afterwards.
 */
function isNotAscii(value: OutgoingHttpHeaders[string]): boolean {
  return !/^\p{ASCII}*$/u.test(String(value));
}

/** Why a response may not be stored; undefined if it may. */
export function refusalOf({ status, fields, baseline, vary }: Judged): string | undefined {
  if (!STATUSES.has(status)) return `status-${status}`;
  if (fields["set-cookie"] !== undefined) return "set-cookie";
  if (Object.values(fields).some(isNotAscii)) return "field-encoding";
  const directives = new Set(
    tokensOf(fields["cache-control"]).map((token) => token.split("=", 1)[0]!.toLowerCase()),
  );
  const forbidding = FORBIDDING.find((name) => directives.has(name));
  if (forbidding !== undefined) return forbidding;
  // What stood in Vary before belongs to a middleware that runs on hits too.
  const before = tokensOf(baseline["vary"]).map((token) => token.toLowerCase());
  const after = tokensOf(fields["vary"]).map((token) => token.toLowerCase());
  const covered = new Set([...before, ...vary, "accept-encoding"]);
  const isCovered = (token: string): boolean => token !== "*" && covered.has(token);
  return after.every(isCovered) ? undefined : "vary";
}

/** Hop-by-hop (RFC 9110, section 7.6.1), or made anew for every response. */
const NOT_STORED =
  /^(connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|content-length|date|age|set-cookie|cache-status|retry-after|(x-)?ratelimit.*)$/;

/** List-valued fields to which a handler adds, so that only what it added is its own. */
const LISTS = new Set(["vary", "link"]);

function textOf(value: number | string | string[]): string | string[] {
  return typeof value === "number" ? String(value) : value;
}

/**
 * The fields that were set after the cache: never a limiter's, a request id, or someone else's CORS.
 */
export function ownFields(fields: OutgoingHttpHeaders, baseline: OutgoingHttpHeaders): Fields {
  const own: Fields = {};
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined || NOT_STORED.test(name)) continue;
    if (LISTS.has(name)) {
      const before = tokensOf(baseline[name]);
      const added = tokensOf(value).filter((token) => !before.includes(token));
      if (added.length > 0) own[name] = added.join(", ");
    } else if (String(value) !== String(baseline[name])) own[name] = textOf(value);
  }
  return own;
}
