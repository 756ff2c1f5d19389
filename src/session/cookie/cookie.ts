/** express-session's Cookie: what `req.session.cookie` is, and how its line in Set-Cookie is printed. */
import expressSession, { type Cookie, type CookieOptions } from "express-session";

/** What @types/express-session leaves out of it. */
type PrintedCookie = Cookie & { serialize(name: string, value: string): string };

const CookieClass: new (options: object) => PrintedCookie = expressSession.Cookie as never;

/** Makes the cookie of a session. */
export function createCookie(options: CookieOptions): Cookie {
  const cookie = new CookieClass(options);
  // express-session's measures what is left of it, which may be a millisecond less.
  if (typeof options.maxAge === "number") cookie.originalMaxAge = options.maxAge;
  return cookie;
}

/** Lets a cookie's lifetime begin anew; its length stays, to the millisecond. */
export function restart(cookie: Cookie): void {
  const { originalMaxAge } = cookie;
  cookie.maxAge = originalMaxAge as number;
  cookie.originalMaxAge = originalMaxAge;
}

/** Throws for what the cookie package refuses. */
export function printCookie(name: string, value: string, options: CookieOptions | Cookie): string {
  const cookie = options instanceof CookieClass ? options : new CookieClass(options);
  return cookie.serialize(name, value);
}
