/**
 * Cookies that look like an attack: forged ones, and good ones of sessions that never were, or are no
 * more. Counted by address, in this process and in bounded memory: what is told is a hint for people,
 * and nothing is refused because of it.
 */
import { LRUCache } from "lru-cache";
import type { Events } from "../../observe/events.ts";
import { checkOptions, type Duration, parseCount, parseDuration } from "../../validate.ts";

/** When `session()` tells the event `suspicious`. */
export interface CookieSuspicionOptions {
  /** Cookies with a wrong signature from one address within `window`. Default: 10. */
  forgedCookies?: number;
  /** Good cookies of sessions that are not there, from one address within `window`. Default: 20. */
  unknownSessions?: number;
  /** Default: `'15m'`. */
  window?: Duration;
}

/** The options, resolved; the window is milliseconds. */
export interface CookieThresholds {
  readonly "forged-cookies": number;
  readonly "unknown-sessions": number;
  readonly window: number;
}

/** What an address is seen to do. */
export type CookieSuspicion = Exclude<keyof CookieThresholds, "window">;

/** Addresses that are watched at once; beyond it the least recently seen goes. */
const MOST = 10_000;

/** Reads the option `suspicious` of `session()`. */
export function parseCookieSuspicion(
  value: CookieSuspicionOptions | false | undefined,
): CookieThresholds | undefined {
  if (value === false) return undefined;
  const options = value ?? {};
  checkOptions("suspicious", options, ["forgedCookies", "unknownSessions", "window"]);
  const { forgedCookies = 10, unknownSessions = 20, window = "15m" } = options;
  return {
    "forged-cookies": parseCount("suspicious.forgedCookies", forgedCookies, 1),
    "unknown-sessions": parseCount("suspicious.unknownSessions", unknownSessions, 1),
    window: parseDuration("suspicious.window", window),
  };
}

/** Makes what watches the cookies of one `session()`; once a window, an address is told of. */
export function createCookieSuspicion(
  thresholds: CookieThresholds | undefined,
  events: Events,
): (reason: CookieSuspicion, address: () => string) => void {
  if (thresholds === undefined) return () => {};
  const seen = new LRUCache<string, number>({
    max: MOST,
    ttl: thresholds.window,
    noUpdateTTL: true,
  });
  return (reason, addressOf) => {
    const address = addressOf();
    const key = `${reason} ${address}`;
    const count = (seen.get(key) ?? 0) + 1;
    seen.set(key, count);
    if (count === thresholds[reason]) events.emit("suspicious", { reason, address, count });
  };
}
