/** A cookie's value as express-session signs it: `s:`, the id, a dot, and an HMAC of it in base64. */
import { createHmac, timingSafeEqual } from "node:crypto";
import { LRUCache } from "lru-cache";

function signatureOf(id: string, secret: string): string {
  return createHmac("sha256", secret).update(id).digest("base64").replace(/=+$/, "");
}

/** What stands in the cookie for an id. */
export function sign(id: string, secret: string): string {
  return `s:${id}.${signatureOf(id, secret)}`;
}

/** An id whose signature holds. */
export interface Signed {
  readonly id: string;
  /** Which of the secrets made it; 0 is the current one. */
  readonly secret: number;
}

/** Makes what checks the cookies of one `session()`; of those that were good, an HMAC is made once, not at each request. */
export function createUnsign(secrets: readonly string[]): (value: string) => Signed | undefined {
  const good = new LRUCache<string, Signed>({ max: MOST_REMEMBERED });
  return (value) => {
    const known = good.get(value);
    if (known) return known;
    const signed = unsign(value, secrets);
    if (signed) good.set(value, signed);
    return signed;
  };
}

/** Cookies that a process remembers to be good. */
const MOST_REMEMBERED = 10_000;

/** The id in a cookie's value; undefined where none of the secrets signed it. */
function unsign(value: string, secrets: readonly string[]): Signed | undefined {
  const dot = value.lastIndexOf(".");
  if (!value.startsWith("s:") || dot < 0) return undefined;
  const id = value.slice(2, dot);
  const given = Buffer.from(value.slice(dot + 1));
  for (const [index, secret] of secrets.entries()) {
    const expected = Buffer.from(signatureOf(id, secret));
    if (given.length === expected.length && timingSafeEqual(given, expected))
      return { id, secret: index };
  }
  return undefined;
}
