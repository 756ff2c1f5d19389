/** What a stored response is good for now, to this request. */
import type { Demands } from "./http/directives.ts";
import type { Entry } from "./store/entry.ts";

/** `fresh`: serve it. `stale`: serve it, and have it made anew. `spent`: neither. */
export type Use = "fresh" | "stale" | "spent";

/** What a stored response is good for. Times are milliseconds. */
export interface Judgement {
  readonly use: Use;
  /** Until it ends, or negative since it did. */
  readonly ttl: number;
  /** It is the request that does not want what is stored. */
  readonly isUnwanted: boolean;
  /** It may stand in for an error. */
  readonly coversError: boolean;
}

/**
 * Judges an entry.
 *
 * @param expiredAt when it was expired by a call
 */
export function judgeFreshness(
  entry: Entry,
  expiredAt?: number,
  demands?: Demands,
  now: number = Date.now(),
): Judgement {
  // Expired is expired, though the clock of whoever did it may be ahead of this one.
  const end =
    expiredAt === undefined ? entry.freshUntil : Math.min(entry.freshUntil, expiredAt, now);
  const ttl = end - now;
  const isUnwanted = demands !== undefined && refuses(demands, now - entry.bornAt, ttl);
  const coversError = entry.staleIfError > 0 && -ttl <= entry.staleIfError;
  const judged = { ttl, isUnwanted, coversError };
  if (isUnwanted) return { ...judged, use: "spent" };
  if (ttl > 0) return { ...judged, use: "fresh" };
  if (-ttl < entry.stale) return { ...judged, use: "stale" };
  const isAllowed = entry.isStrict !== true && -ttl <= (demands?.maxStale ?? -1);
  return { ...judged, use: isAllowed ? "stale" : "spent" };
}

/** RFC 9111, section 5.2.1. */
function refuses({ noCache, maxAge, minFresh, maxStale }: Demands, age: number, ttl: number) {
  if (noCache) return true;
  if (maxAge !== undefined && (age > maxAge || (ttl <= 0 && maxStale === undefined))) return true;
  return minFresh !== undefined && ttl < minFresh;
}
