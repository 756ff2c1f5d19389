/** What session() can be told, checked once. */
import type { CookieOptions, SessionOptions as ShellOptions } from "express-session";
import type { Request, Response } from "express";
import type { Config } from "../config.ts";
import { KitError } from "../errors.ts";
import {
  checkOptions,
  type Duration,
  invalidOption,
  parseDuration,
  parseChoice,
  parseFunction,
  parseSecrets,
} from "../validate.ts";
import { printCookie } from "./cookie.ts";
import { standardUser, textualUser, type UserOf } from "./record.ts";

/** express-session's options that keep their names and meaning. */
type Kept =
  | "cookie"
  | "genid"
  | "name"
  | "proxy"
  | "resave"
  | "rolling"
  | "saveUninitialized"
  | "secret"
  | "unset";

/** Options of `session()`. */
export interface SessionOptions extends Partial<Pick<ShellOptions, Kept>> {
  /** How long a session lives without a request (sliding). Default: `'24h'`. */
  idle?: Duration;
  /** How long a session lives at most, whatever happens. Default: `'7d'`. */
  absolute?: Duration;
  /** Live sessions a user may have. Default: 1. */
  concurrent?: 1;
  /** Finds the user in a session. Default: `session.userId ?? session.passport.user`. */
  user?: UserOf;
  /** Takes over a request whose session was ended elsewhere. Default: it goes on as anonymous. */
  onEnded?: (
    request: Request,
    response: Response,
    next: (error?: unknown) => void,
  ) => void | Promise<void>;
}

/** The options, resolved. Times are milliseconds. */
export interface SessionPlan {
  readonly name: string;
  readonly cookie: CookieOptions | ((request: Request) => CookieOptions);
  readonly idle: number;
  readonly absolute: number;
  readonly userOf: UserOf;
  readonly dropsBlank: boolean;
  readonly proxy: boolean | undefined;
  readonly onEnded: SessionOptions["onEnded"];
  readonly shell: Omit<ShellOptions, "store">;
}

const KNOWN: readonly (keyof SessionOptions)[] = [
  "cookie",
  "genid",
  "name",
  "proxy",
  "resave",
  "rolling",
  "saveUninitialized",
  "secret",
  "unset",
  "idle",
  "absolute",
  "concurrent",
  "user",
  "onEnded",
];

/** Where secrets come from when neither options nor environment name one. */
export type SecretMaker = () => string;

/** Resolves the options of one `session()` call. */
export function planSession(
  options: SessionOptions,
  config: Config,
  makeSecret: SecretMaker,
): SessionPlan {
  checkOptions("session()", options, KNOWN);
  for (const name of ["genid", "user", "onEnded"] as const) parseFunction(name, options[name]);
  if (options.concurrent !== undefined && options.concurrent !== 1) {
    throw invalidOption(
      "concurrent",
      options.concurrent,
      "1: more than one live session a user is not supported yet",
    );
  }
  checkFlags(options);
  const isProduction = config.environment === "production";
  const name = options.name ?? (isProduction ? "__Host-sid" : "sid");
  const { idle, absolute } = parseTimeouts(options);
  const cookie = planCookie(name, options.cookie, isProduction);
  const maxAge = typeof cookie === "function" ? undefined : cookie.maxAge;
  if (typeof maxAge === "number" && maxAge > absolute) {
    throw invalidOption(
      "cookie.maxAge",
      maxAge,
      `at most \`absolute\` (${absolute} ms), which ends the session`,
    );
  }
  const secret = secretsOf(options, config, makeSecret);
  const { genid, proxy, rolling, unset, resave = false, saveUninitialized = false } = options;
  return Object.freeze({
    name,
    cookie,
    idle,
    absolute,
    userOf: options.user ? textualUser(options.user) : standardUser,
    dropsBlank: !saveUninitialized,
    proxy,
    onEnded: options.onEnded,
    shell: {
      name,
      cookie: cookie as CookieOptions,
      secret,
      resave,
      saveUninitialized,
      ...(genid && { genid }),
      ...(proxy !== undefined && { proxy }),
      ...(rolling !== undefined && { rolling }),
      ...(unset !== undefined && { unset }),
    },
  });
}

/** The idle and the absolute timeout, in milliseconds. */
export function parseTimeouts(options: Pick<SessionOptions, "idle" | "absolute">): {
  idle: number;
  absolute: number;
} {
  const idle = parseDuration("idle", options.idle ?? "24h");
  const absolute = parseDuration("absolute", options.absolute ?? "7d");
  if (absolute >= idle) return { idle, absolute };
  throw invalidOption("absolute", options.absolute, "at least as long as `idle`");
}

function secretsOf(options: SessionOptions, config: Config, makeSecret: SecretMaker): string[] {
  if (options.secret !== undefined) return [...parseSecrets("secret", options.secret)];
  if (config.secrets) return [...config.secrets];
  if (config.environment !== "production") return [makeSecret()];
  throw new KitError("SESSION_SECRET_MISSING", {
    message:
      "session() needs a secret in production: one that is made up would sign everybody out at each restart, and differ on each instance.",
    fix: "Set SESSION_SECRET, for example to what `openssl rand -base64 32` prints.",
  });
}

function planCookie(
  name: string,
  given: SessionOptions["cookie"],
  isProduction: boolean,
): SessionPlan["cookie"] {
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
    const cookieOf = given as unknown as (request: Request) => CookieOptions;
    return (request) => complete(cookieOf(request));
  }
  if (given !== undefined && typeof given !== "object")
    throw invalidOption("cookie", given, "an object of cookie options");
  return complete(given);
}

function checkFlags(options: SessionOptions): void {
  for (const name of ["proxy", "resave", "rolling", "saveUninitialized"] as const) {
    const value: unknown = options[name];
    if (value !== undefined && typeof value !== "boolean") {
      throw invalidOption(name, value, "true or false");
    }
  }
  if (options.unset !== undefined) parseChoice("unset", options.unset, ["keep", "destroy"]);
}

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
