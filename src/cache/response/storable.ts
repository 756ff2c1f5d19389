/** Which responses may be stored, judged on the header fields that were actually sent; and which of them. */
import type { OutgoingHttpHeaders } from "node:http";
import { directivesOf } from "../http/directives.ts";
import { tokensOf } from "../http/tokens.ts";
import type { Fields } from "../store/entry.ts";

/** Statuses that are stored: a subset of what RFC 9110, section 15.1 calls heuristically cacheable. */
const STATUSES = new Set([200, 203, 301, 308]);

/** Those that are stored when asked for. */
const NOT_FOUND = new Set([404, 410]);

/** Whether an answer says that there is nothing. */
export function isNotFound(status: number): boolean {
  return NOT_FOUND.has(status);
}

/** RFC 9111, section 5.2.2: what forbids a shared cache to reuse a response without asking. */
const FORBIDDING = ["private", "no-store", "no-cache"];

/** What {@link refusalOf} judges. */
export interface Judged {
  readonly status: number;
  readonly fields: OutgoingHttpHeaders;
  /** As the fields stood when the request reached the cache. */
  readonly baseline: OutgoingHttpHeaders;
  /** Request fields that are part of the variant. */
  readonly vary: readonly string[];
  /** The response's own header fields decide how long it is used (RFC 9111). */
  readonly isOrigin: boolean;
  /** 404 and 410 are stored. */
  readonly takesNotFound: boolean;
}

/**
 * Node sends such a value in one of two encodings, depending on what the body is made of; how this
 * one went cannot be told afterwards.
 */
function isNotAscii(value: OutgoingHttpHeaders[string]): boolean {
  return !/^\p{ASCII}*$/u.test(String(value));
}

/** Why a response may not be stored; undefined if it may, as far as these rules go. */
export function refusalOf(judged: Judged): string | undefined {
  const { status, fields, isOrigin } = judged;
  const isTaken = STATUSES.has(status) || (judged.takesNotFound && isNotFound(status));
  if (!isOrigin && !isTaken) return `status-${status}`;
  if (fields["set-cookie"] !== undefined) return "set-cookie";
  if (Object.values(fields).some(isNotAscii)) return "field-encoding";
  const vary = varyOf(judged);
  if (isOrigin) return vary.includes("*") ? "vary" : undefined;
  const directives = directivesOf(fields["cache-control"]);
  return FORBIDDING.find((name) => directives.has(name)) ?? (vary.length > 0 ? "vary" : undefined);
}

/** `cors()` before the cache runs on hits, too, and says by itself to whom it allows what. */
function isOriginCovered(fields: OutgoingHttpHeaders, baseline: OutgoingHttpHeaders): boolean {
  const isBefore = tokensOf(baseline["vary"]).some((token) => token.toLowerCase() === "origin");
  const isAllowedAfter = Object.entries(fields).some(
    ([name, value]) =>
      name.startsWith("access-control-") && String(value) !== String(baseline[name]),
  );
  return isBefore && !isAllowedAfter;
}

/** The request fields that a response varies on, beside those that are part of the variant. */
export function varyOf({ fields, baseline, vary, isOrigin }: Judged): string[] {
  const covered = new Set([...vary, "accept-encoding"]);
  if (!isOrigin && isOriginCovered(fields, baseline)) covered.add("origin");
  const after = tokensOf(fields["vary"]).map((token) => token.toLowerCase());
  return [...new Set(after)].filter((token) => !covered.has(token)).toSorted();
}

/** Hop-by-hop (RFC 9110, section 7.6.1), or made anew for every response. */
const NOT_STORED =
  /^(connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|content-length|age|set-cookie|(x-)?ratelimit.*)$/;

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
  // RFC 9110, section 7.6.1: Connection names further fields that go no further than one hop.
  const named = new Set(tokensOf(fields["connection"]).map((token) => token.toLowerCase()));
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined || NOT_STORED.test(name) || named.has(name)) continue;
    if (LISTS.has(name) && baseline[name] !== undefined) {
      const before = tokensOf(baseline[name]);
      const added = tokensOf(value).filter((token) => !before.includes(token));
      if (added.length > 0) own[name] = added.join(", ");
    } else if (String(value) !== String(baseline[name])) own[name] = textOf(value);
  }
  return own;
}
