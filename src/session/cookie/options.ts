/** What the session's cookie can be told to be, checked before it is sent. */
import type { IncomingMessage } from "node:http";
import type { CookieOptions, SessionOptions as ShellOptions } from "express-session";
import { KitError } from "../../errors.ts";
import { checkOptions, invalidOption } from "../../validate.ts";
import { printCookie } from "./cookie.ts";

/** The cookie package knows best what it refuses; better now than in a request. */
function trySerialize(name: string, cookie: CookieOptions): void {
  const isAuto = (cookie.sameSite as unknown) === "auto";
  const attributes = { ...cookie, secure: true, ...(isAuto && { sameSite: "lax" }) };
  try {
    printCookie(name, "s:id", attributes as CookieOptions);
  } catch (cause) {
    throw new KitError("INVALID_COOKIE", {
      message: `These cookie options make no cookie: ${(cause as Error).message}.`,
      fix: "Correct the option that the message names.",
      cause,
    });
  }
}

const COOKIE_OPTIONS = [
  "domain",
  "encode",
  "expires",
  "httpOnly",
  "maxAge",
  "partitioned",
  "path",
  "priority",
  "sameSite",
  "secure",
  "signed",
];

/** What express-session would find out in a request, or not at all. */
function checkAttributes(name: string, cookie: CookieOptions): void {
  checkOptions("session().cookie", cookie, COOKIE_OPTIONS);
  for (const flag of ["httpOnly", "partitioned"] as const) {
    const value: unknown = cookie[flag];
    if (value !== undefined && typeof value !== "boolean") {
      throw invalidOption(`cookie.${flag}`, value, "true or false");
    }
  }
  if (typeof cookie.secure !== "boolean" && cookie.secure !== "auto") {
    throw invalidOption("cookie.secure", cookie.secure, "true, false or 'auto'");
  }
  const { maxAge, sameSite, secure } = cookie as Record<string, unknown>;
  if (
    maxAge !== undefined &&
    maxAge !== null &&
    !(Number(maxAge) > 0 && typeof maxAge === "number")
  ) {
    throw invalidOption("cookie.maxAge", maxAge, "a positive number of milliseconds");
  }
  if (sameSite === "none" && secure === false) {
    throw new KitError("INVALID_COOKIE", {
      message: "Browsers drop a cookie with sameSite: 'none' that is not Secure.",
      fix: "Add secure: true, or leave sameSite out ('lax').",
    });
  }
  trySerialize(name, cookie);
}

/** RFC 6265bis, sections 4.1.3 and 5.7: browsers drop a cookie that breaks what its prefix promises. */
function checkPrefix(name: string, cookie: CookieOptions): void {
  const isHost = /^__Host-/i.test(name);
  if (!isHost && !/^__Secure-/i.test(name)) return;
  const broken = [
    cookie.secure !== true && "cookie.secure must be true",
    isHost && cookie.path !== "/" && "cookie.path must be '/'",
    isHost && cookie.domain !== undefined && "cookie.domain must be absent",
  ].filter((reason) => reason !== false);
  if (broken.length === 0) return;
  throw new KitError("INVALID_COOKIE", {
    message: `Browsers drop a cookie named ${name} with these options: ${broken.join(", ")}.`,
    fix: "Remove those options, or give the cookie a name without the prefix: session({ name: 'sid' }).",
  });
}

/** By what a request is known to be encrypted. */
export type IsSecure = (request: IncomingMessage) => boolean;

/** `'auto'`, by the connection; express-session knows it of options that no function answers. */
function resolveAuto(cookie: CookieOptions, request: IncomingMessage, isSecure: IsSecure) {
  const { secure, sameSite } = cookie as { secure?: unknown; sameSite?: unknown };
  if (secure !== "auto" && sameSite !== "auto") return cookie;
  const isEncrypted = isSecure(request);
  const resolved: CookieOptions = { ...cookie };
  if (secure === "auto") resolved.secure = isEncrypted;
  if (sameSite === "auto") resolved.sameSite = isEncrypted ? "none" : "lax";
  return resolved;
}

/** What answers the cookie's options for one request; the same object for all, where nothing depends on it. */
export type CookiePlan = (request: IncomingMessage) => CookieOptions;

/**
 * Checks the option `cookie` and completes it.
 *
 * @throws KitError `INVALID_COOKIE`, `INVALID_OPTION`, `UNKNOWN_OPTION`; for a function, when it has answered
 */
export function planCookie(
  name: string,
  given: ShellOptions["cookie"],
  isProduction: boolean,
  isSecure: IsSecure,
): { of: CookiePlan; fixed: CookieOptions | undefined } {
  if (!/^[!#$%&'*+\-.^_`|~\w]+$/.test(name)) {
    throw invalidOption("name", name, "a cookie name (RFC 6265, section 4.1.1)");
  }
  const standard: CookieOptions = {
    path: "/",
    httpOnly: true,
    sameSite: "lax",
    secure: isProduction,
  };
  const complete = (options: CookieOptions | undefined): CookieOptions => {
    const cookie = { ...standard, ...options };
    checkPrefix(name, cookie);
    checkAttributes(name, cookie);
    return cookie;
  };
  if (typeof given === "function") {
    const cookieOf = given as unknown as (request: IncomingMessage) => CookieOptions;
    const of: CookiePlan = (request) => resolveAuto(complete(cookieOf(request)), request, isSecure);
    return { of, fixed: undefined };
  }
  if (given !== undefined && typeof given !== "object")
    throw invalidOption("cookie", given, "an object of cookie options");
  const fixed = complete(given);
  return { of: (request) => resolveAuto(fixed, request, isSecure), fixed };
}
