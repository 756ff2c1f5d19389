/** Who asks: by number, an address, a signed-in user, the user's session and a page of one's own. */
import { createHmac } from "node:crypto";

export const SECRET = "one secret of 44 characters signs for each.."; // gitleaks:allow

/** What the kit calls its cookie in production. */
export const COOKIE = "__Host-sid";

/** As wide for each, so that what stands for one is as long as what stands for any other. */
const digits = (n: number): string => String(n).padStart(8, "0");

/** Addresses of 10.0.0.0/8: there are 16 million. */
export function addressOf(n: number): string {
  return `10.${(n >> 16) & 255}.${(n >> 8) & 255}.${n & 255}`;
}

export function userOf(n: number): string {
  return `user-${digits(n)}`;
}

/** In the kit's form, and known by the number alone. */
export function sessionOf(n: number): string {
  return `550e8400-e29b-41d4-a716-0000${digits(n)}`;
}

export function brandOf(n: number): string {
  return `brand-${digits(n)}`;
}

export function pageOf(n: number): string {
  return `/brands/${brandOf(n)}/settings`;
}

/** The Cookie header of someone who is signed in; as express-session signs. */
export function cookieOf(n: number): string {
  const id = sessionOf(n);
  const signature = createHmac("sha256", SECRET).update(id).digest("base64").replace(/=+$/, "");
  return `${COOKIE}=${encodeURIComponent(`s:${id}.${signature}`)}`;
}

/** One that no secret signed. */
export function forgedCookieOf(n: number): string {
  return `${COOKIE}=${encodeURIComponent(`s:${sessionOf(n)}.${"A".repeat(43)}`)}`;
}
