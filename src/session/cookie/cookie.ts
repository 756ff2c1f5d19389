/** express-session's Cookie: what `req.session.cookie` is, and how its line in Set-Cookie is printed. */
import expressSession, { type Cookie, type CookieOptions } from "express-session";

/** What @types/express-session leaves out of it. */
type PrintedCookie = Cookie & { serialize(name: string, value: string): string };

const CookieClass: new (options: object) => PrintedCookie = expressSession.Cookie as never;

/** Makes the cookie of a session. */
export function createCookie(options: CookieOptions): Cookie {
  return new CookieClass(options);
}

/** Throws for what the cookie package refuses. */
export function printCookie(name: string, value: string, options: CookieOptions | Cookie): string {
  const cookie = options instanceof CookieClass ? options : new CookieClass(options);
  return cookie.serialize(name, value);
}
