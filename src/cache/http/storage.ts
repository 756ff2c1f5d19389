/** Whether a shared cache may store a response, and for how long: RFC 9111, sections 3 and 4.2; RFC 5861. */
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http";
import { parseDate } from "./date.ts";
import { tokensOf } from "./tokens.ts";
import { type Directives, directivesOf, secondsOf } from "./directives.ts";

/** RFC 9110, section 15.1, but for 206: no part is put together here. */
const HEURISTICALLY_CACHEABLE = new Set([200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501]);

/** Statuses that this cache understands (RFC 9111, section 5.2.2.3); 304 and 206 need more than that. */
const UNDERSTOOD = new Set([...HEURISTICALLY_CACHEABLE, 302, 303, 307]);

const DAY = 86_400_000;
const MINUTE = 60_000;

/** What is judged. Times are milliseconds since the epoch. */
export interface Exchange {
  readonly request: IncomingHttpHeaders;
  readonly status: number;
  readonly fields: OutgoingHttpHeaders;
  /** When the handler was asked. */
  readonly askedAt: number;
  /** When its header was complete. */
  readonly answeredAt: number;
  /** Where the response does not say it. */
  readonly stale: number;
  readonly staleIfError: number;
}

/** How long a response may be used. Times are milliseconds. */
export interface Terms {
  readonly bornAt: number;
  readonly freshUntil: number;
  readonly stale: number;
  readonly staleIfError: number;
  /** It must not be served stale, whatever a request allows. */
  readonly isStrict: boolean;
  /** How long after its freshness it is worth keeping. */
  readonly keep: number;
}

/** Why a response may not be stored, or on what terms it may. */
export type Verdict = { readonly refusal: string } | Terms;

/** Judges an exchange. */
export function judgeStorage(exchange: Exchange): Verdict {
  const { fields, status } = exchange;
  const directives = directivesOf(fields["cache-control"]);
  const refusal = refusalOf(exchange, directives);
  if (refusal !== undefined) return { refusal };
  const bornAt = birthOf(exchange);
  const lifetime = lifetimeOf(exchange, directives);
  if (lifetime === undefined) return { refusal: "no-freshness" };
  const isValidated = directives.has("no-cache");
  // Section 4.2.4: what forbids a stale response to a shared cache.
  const isStrict =
    isValidated ||
    ["must-revalidate", "proxy-revalidate", "s-maxage"].some((name) => directives.has(name));
  const window = (name: string, standard: number): number => {
    if (isStrict) return 0;
    if (!directives.has(name)) return standard;
    return (secondsOf(directives.get(name)) ?? 0) * 1000;
  };
  const stale = window("stale-while-revalidate", exchange.stale);
  const staleIfError = window("stale-if-error", exchange.staleIfError);
  const isValidatable = fields["etag"] !== undefined || fields["last-modified"] !== undefined;
  if (!isValidatable && lifetime <= 0 && stale + staleIfError === 0) return { refusal: "expired" };
  const validation = isValidatable && status === 200 ? Math.max(lifetime, 10 * MINUTE) : 0;
  return {
    bornAt,
    freshUntil: isValidated ? bornAt : bornAt + lifetime,
    stale,
    staleIfError,
    isStrict,
    keep: Math.max(stale, staleIfError, Math.min(validation, DAY)),
  };
}

/** Section 3. */
function refusalOf({ request, status }: Exchange, directives: Directives): string | undefined {
  const mustUnderstand = directives.has("must-understand");
  if (status < 200 || status === 206 || status === 304) return `status-${status}`;
  if (status >= 500 && status !== 501) return `status-${status}`;
  if (mustUnderstand && !UNDERSTOOD.has(status)) return `status-${status}`;
  // Section 5.2.2.3: whoever understands the status heeds must-understand in no-store's place.
  if (directives.has("no-store") && !mustUnderstand) return "no-store";
  if (directives.has("private")) return "private";
  // Section 3.5.
  const isAllowed = ["public", "must-revalidate", "s-maxage"].some((name) => directives.has(name));
  return request.authorization !== undefined && !isAllowed ? "authorization" : undefined;
}

/** Section 4.2.3: what a response that has an Age, or a Date of its own, was at its best. */
function birthOf({ fields, askedAt, answeredAt }: Exchange): number {
  const date = parseDate(fields["date"]) ?? answeredAt;
  const [age] = tokensOf(fields["age"]).map(secondsOf);
  return Math.min(date, askedAt - (age ?? 0) * 1000); // The handler's time counts, too.
}

/** Section 4.2.1, and 4.2.2 where nothing is explicit; undefined where there is neither. */
function lifetimeOf(
  { status, fields, answeredAt }: Exchange,
  directives: Directives,
): number | undefined {
  for (const name of ["s-maxage", "max-age"]) {
    // Invalid freshness is none.
    if (directives.has(name)) return (secondsOf(directives.get(name)) ?? 0) * 1000;
  }
  const date = parseDate(fields["date"]) ?? answeredAt;
  if (fields["expires"] !== undefined) {
    const expires = parseDate([fields["expires"]].flat()[0]);
    return expires === undefined ? 0 : Math.max(0, expires - date);
  }
  if (directives.has("no-cache")) return 0;
  if (!HEURISTICALLY_CACHEABLE.has(status) && !directives.has("public")) return undefined;
  const modified = parseDate(fields["last-modified"]);
  if (modified === undefined) return undefined;
  return Math.min(DAY, Math.max(0, (date - modified) / 10));
}
