/** What session() can be told, checked once. */
import { randomBytes } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { SessionOptions as ShellOptions, Store } from "express-session";
import type { Request, Response } from "express";
import type { Config } from "../config.ts";
import type { Trust } from "../config/trust-proxy.ts";
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
import { type CookiePlan, planCookie } from "./cookie/options.ts";
import { isSecureRequest } from "./cookie/secure-request.ts";
import type { LedgerOptions } from "./ledger.ts";
import {
  type CookieSuspicionOptions,
  type CookieThresholds,
  parseCookieSuspicion,
} from "./cookie/suspicion.ts";
import { createUnsign, type Signed } from "./cookie/signature.ts";
import { standardUser, textualUser, type UserOf } from "./records/record.ts";

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

/** What another library's sessions are found by. */
export interface AdoptOptions {
  /** The prefix of their keys, as connect-redis was given it. Default: none but `session:`. */
  prefix?: string;
  /** The name of their cookie. It is read where ours is absent, and ours is sent then. Default: none. */
  cookie?: string;
}

/** Options of `session()`. */
export interface SessionOptions extends Partial<Pick<ShellOptions, Kept>> {
  /** How long a session lives without a request (sliding). Default: `'24h'`. */
  idle?: Duration;
  /** How long a session lives at most, whatever happens. Default: `'7d'`. */
  absolute?: Duration;
  /** Live sessions a user may have; `false` for any number. Default: 1. */
  concurrent?: number | false;
  /**
   * What a login does that would be one too many: ends the user's oldest session, or rejects with
   * `SESSION_LIMIT`. Default: `'end-oldest'`.
   */
  whenFull?: "end-oldest" | "refuse";
  /** Finds the user in a session. Default: `session.userId ?? session.passport.user`. */
  user?: UserOf;
  /** Takes over sessions that express-session and connect-redis made. Default: none, but those under `session:`. */
  adopt?: AdoptOptions;
  /** A store of one's own, in place of Redis. There is no guard then. */
  store?: Store;
  /** When the event `suspicious` tells of an address that sends forged or unknown cookies; `false` for never. */
  suspicious?: CookieSuspicionOptions | false;
  /** Takes over a request whose session was ended elsewhere. Default: it goes on as anonymous. */
  onEnded?: (
    request: Request,
    response: Response,
    next: (error?: unknown) => void,
  ) => void | Promise<void>;
}

/** `onEnded`, for requests of any shell. */
export type EndedHandler = (
  request: IncomingMessage,
  response: ServerResponse,
  next: (error?: unknown) => void,
) => void | Promise<void>;

/** The options, resolved. Times are milliseconds. */
export interface SessionPlan extends LedgerOptions {
  readonly name: string;
  readonly cookieOf: CookiePlan;
  /** The first signs, all verify. */
  readonly secrets: readonly string[];
  /** The id in a cookie's value, where one of the secrets signed it. */
  readonly unsign: (value: string) => Signed | undefined;
  readonly genid: (request: IncomingMessage) => string;
  readonly proxy: boolean | undefined;
  /** The kit's `trustProxy`, for requests without Express. */
  readonly trust: Trust;
  readonly rolling: boolean;
  /** `unset: 'destroy'`. */
  readonly isUnsetDestroyed: boolean;
  readonly adoptCookie: string | undefined;
  readonly suspicious: CookieThresholds | undefined;
  readonly onEnded: EndedHandler | undefined;
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
  "whenFull",
  "adopt",
  "store",
  "user",
  "suspicious",
  "onEnded",
];

/** Where secrets come from when neither options nor environment name one. */
export type SecretMaker = () => string;

/** Resolves the options of one `session()` call; `store` is left to the caller. */
export function planSession(
  options: SessionOptions,
  config: Config,
  makeSecret: SecretMaker,
): SessionPlan {
  checkOptions("session()", options, KNOWN);
  for (const name of ["genid", "user", "onEnded"] as const) parseFunction(name, options[name]);
  checkFlags(options);
  checkStore(options.store);
  const isProduction = config.environment === "production";
  const name = options.name ?? (isProduction ? "__Host-sid" : "sid");
  const { of: cookieOf, fixed } = planCookie(name, options.cookie, isProduction, (request) =>
    isSecureRequest(request, { proxy: options.proxy, trust: config.trust }),
  );
  const ledger = planLedger(options);
  checkMaxAge(fixed?.maxAge, ledger.absolute);
  const secrets = secretsOf(options, config, makeSecret);
  return Object.freeze({
    ...ledger,
    name,
    cookieOf,
    secrets,
    unsign: createUnsign(secrets),
    genid: (options.genid as SessionPlan["genid"] | undefined) ?? createSessionId,
    dropsBlank: options.saveUninitialized !== true,
    proxy: options.proxy,
    trust: config.trust,
    rolling: options.rolling === true,
    isUnsetDestroyed: options.unset === "destroy",
    adoptCookie: parseAdopt(options.adopt).cookie,
    suspicious: parseCookieSuspicion(options.suspicious),
    onEnded: options.onEnded as EndedHandler | undefined,
  });
}

/** What the guard and the keys are told; also by `sessionStore()`. */
export function planLedger(options: SessionStoreOptions): LedgerOptions {
  const whenFull = options.whenFull ?? "end-oldest";
  parseChoice("whenFull", whenFull, ["end-oldest", "refuse"]);
  return {
    ...parseTimeouts(options),
    userOf: options.user ? textualUser(options.user) : standardUser,
    concurrent: parseConcurrent(options.concurrent ?? 1),
    whenFull,
    adoptPrefix: parseAdopt(options.adopt).prefix,
  };
}

/** Options of `sessionStore()`: what of `session()`'s is the store's. */
export type SessionStoreOptions = Pick<
  SessionOptions,
  "idle" | "absolute" | "user" | "concurrent" | "whenFull" | "adopt"
>;

function parseConcurrent(concurrent: number | false): number {
  if (concurrent === false) return 0;
  if (Number.isSafeInteger(concurrent) && concurrent > 0) return concurrent;
  throw invalidOption("concurrent", concurrent, "a whole number from 1 up, or false for no limit");
}

function parseAdopt(adopt: AdoptOptions | undefined): AdoptOptions {
  if (adopt === undefined) return {};
  if (typeof adopt !== "object" || adopt === null)
    throw invalidOption(
      "adopt",
      adopt,
      "an object such as { prefix: 'sess:', cookie: 'connect.sid' }",
    );
  checkOptions("session().adopt", adopt, ["prefix", "cookie"]);
  for (const name of ["prefix", "cookie"] as const) {
    const value: unknown = adopt[name];
    if (value !== undefined && (typeof value !== "string" || value === ""))
      throw invalidOption(`adopt.${name}`, value, "a text that is not empty");
  }
  return adopt;
}

function checkStore(store: unknown): void {
  if (store === undefined) return;
  const methods = ["get", "set", "destroy", "createSession", "regenerate", "on"] as const;
  const isStore = methods.every(
    (name) => typeof (store as Record<string, unknown> | null)?.[name] === "function",
  );
  if (!isStore) throw invalidOption("store", store, "a store for express-session");
}

function checkMaxAge(maxAge: unknown, absolute: number): void {
  if (typeof maxAge !== "number" || maxAge <= absolute) return;
  throw invalidOption(
    "cookie.maxAge",
    maxAge,
    `at most \`absolute\` (${absolute} ms), which ends the session`,
  );
}

/** 128 random bits in the 8-4-4-4-12 form. Not a UUID: those keep 6 bits for their version. */
export function createSessionId(): string {
  return randomBytes(16)
    .toString("hex")
    .replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
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

function checkFlags(options: SessionOptions): void {
  for (const name of ["proxy", "resave", "rolling", "saveUninitialized"] as const) {
    const value: unknown = options[name];
    if (value !== undefined && typeof value !== "boolean") {
      throw invalidOption(name, value, "true or false");
    }
  }
  if (options.unset !== undefined) parseChoice("unset", options.unset, ["keep", "destroy"]);
}
