/** A Set-Cookie line, as express-session prints it. */
import expressSession, { type CookieOptions } from "express-session";

/** What @types/express-session leaves out of Cookie. */
type CookieClass = new (options: CookieOptions) => {
  serialize(name: string, value: string): string;
};

/** Throws for what the cookie package refuses. */
export function printCookie(name: string, value: string, options: CookieOptions): string {
  const Cookie = expressSession.Cookie as unknown as CookieClass;
  return new Cookie(options).serialize(name, value);
}
