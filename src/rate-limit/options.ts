/** What a limiter can be told, checked once and turned into its quotas. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Options as ShellOptions } from "express-rate-limit";
import type { Request, Response } from "express";
import { KitError } from "../errors.ts";
import {
  checkOptions,
  type Duration,
  invalidOption,
  parseChoice,
  parseCount,
  parseDuration,
  parseFunction,
  show,
} from "../validate.ts";
import { accountsOfBody } from "./account.ts";
import { parseAddressLists, type Verdict } from "./address-lists.ts";

/** How requests are counted; see the README for what each admits at a window's edge. */
export type AlgorithmName = "sliding-window" | "fixed-window";

/** What happens to a request while Redis cannot be asked. */
export type RedisErrorPolicy = "memory" | "open" | "closed";

/** Which RateLimit header fields are sent. */
export type HeaderStyle = "draft-8" | "draft-7" | "draft-6" | false;

/** What tells one client from another: a text, a finite number, a bigint, or several that do so together. */
export type IdentityValue = string | number | bigint | readonly (string | number | bigint)[];

/** One identity, or a list of several of which each is counted on a key of its own. */
export type Identities = string | number | bigint | readonly IdentityValue[];

/** express-rate-limit's options that keep their names and meaning. */
type Kept =
  | "message"
  | "statusCode"
  | "handler"
  | "skip"
  | "requestPropertyName"
  | "requestWasSuccessful"
  | "skipFailedRequests"
  | "skipSuccessfulRequests"
  | "legacyHeaders"
  | "passOnStoreError";

/** Options of `rateLimit()`. */
export interface RateLimitOptions extends Partial<Pick<ShellOptions, Kept>> {
  /** Names the key segment and the policy. Limiters of one type share their counts. Default: `'api'`. */
  type?: string;
  /** Requests per window, or what answers that for a request. Default: 100. */
  limit?: number | ((request: Request, response: Response) => number | Promise<number>);
  /** express-rate-limit's older name of `limit`. */
  max?: RateLimitOptions["limit"];
  /** The window's length. Default: `'1m'`. */
  window?: Duration;
  /** express-rate-limit's name of `window`, in milliseconds. */
  windowMs?: number;
  /** Default: `'sliding-window'`. */
  algorithm?: AlgorithmName;
  /** Whom a request counts for. Default: the client's address, IPv6 cut to its /56. */
  keyGenerator?: (request: Request, response: Response) => string | Promise<string>;
  /**
   * As `keyGenerator`, for one identity or several. Several are asked together: the request is refused if
   * any refuses, and the others are given back. A list within the list is one identity of several parts:
   * `[[tenant, user]]` is the key `ratelimit:[type]:[tenant]:[user]`.
   */
  by?: (request: Request, response: Response) => Identities | Promise<Identities>;
  /** Client addresses that are neither counted nor refused: addresses, CIDR ranges, `'loopback'` and the like. Looked at before `deny`. */
  allow?: string | readonly string[];
  /** Client addresses that are answered with 403, uncounted. */
  deny?: string | readonly string[];
  /** For the `auth` preset: the account (or accounts) that a login is for. Default: `body.username` and `body.email`. */
  account?: (request: Request) => string | readonly string[] | undefined;
  /** Default: `'memory'`, the same limits counted in this process. `passOnStoreError: true` means `'open'`. */
  onRedisError?: RedisErrorPolicy;
  /** Default: `'draft-8'`; `true` means `'draft-6'`, as in express-rate-limit. */
  standardHeaders?: HeaderStyle | true;
}

/** One counter that a request is held against. */
export interface Policy {
  /** Key segment, and the name in the RateLimit header fields. */
  readonly type: string;
  readonly limit: NonNullable<RateLimitOptions["limit"]>;
  readonly window: number;
  /** Which of the request's identities make the key; nothing where one is missing. */
  readonly by: "identity" | "address" | "account" | "address-and-account";
}

/** A limiter's options, resolved. */
export interface LimiterPlan {
  readonly policies: readonly Policy[];
  readonly algorithm: AlgorithmName;
  readonly onRedisError: RedisErrorPolicy;
  readonly headers: HeaderStyle;
  readonly legacyHeaders: boolean;
  /** Undefined for the client's address. */
  readonly identitiesOf: RateLimitOptions["by"];
  /** What `allow` and `deny` say; undefined where neither is given. */
  readonly verdict: Verdict | undefined;
  readonly account: NonNullable<RateLimitOptions["account"]>;
  readonly skipFailed: boolean;
  readonly skipSuccessful: boolean;
  readonly requestWasSuccessful: (
    request: IncomingMessage,
    response: ServerResponse,
  ) => boolean | Promise<boolean>;
  readonly propertyName: string;
  readonly options: RateLimitOptions;
}

const KNOWN: readonly (keyof RateLimitOptions)[] = [
  "type",
  "limit",
  "max",
  "window",
  "windowMs",
  "algorithm",
  "keyGenerator",
  "by",
  "allow",
  "deny",
  "account",
  "onRedisError",
  "standardHeaders",
  "legacyHeaders",
  "message",
  "statusCode",
  "handler",
  "skip",
  "requestPropertyName",
  "requestWasSuccessful",
  "skipFailedRequests",
  "skipSuccessfulRequests",
  "passOnStoreError",
];

/** Attempts on one account from one address; on one account from anywhere; from one address. */
const AUTH_WINDOW = 15 * 60_000;
const AUTH_ACCOUNT: Policy = {
  type: "auth-account",
  limit: 100,
  window: 60 * 60_000,
  by: "account",
};
const AUTH_ADDRESS: Policy = {
  type: "auth-ip",
  limit: 100,
  window: AUTH_WINDOW,
  by: "address",
};

/** Resolves `rateLimit(type, options)` and `rateLimit(options)`. */
export function planLimiter(
  first: string | RateLimitOptions | undefined,
  second: RateLimitOptions | undefined,
): LimiterPlan {
  const options: RateLimitOptions =
    typeof first === "string" ? { ...second, type: first } : (first ?? {});
  if (typeof second !== "undefined") checkOptions("rateLimit()", second, KNOWN);
  checkOptions("rateLimit()", options, KNOWN);
  checkFunctions(options);
  const type = parseType(options.type ?? "api");
  const isAuth = type === "auth";
  checkPreset(options, isAuth);
  const main: Policy = {
    type,
    limit: parseLimit(options, isAuth ? 10 : 100),
    window: parseWindow(options, isAuth ? AUTH_WINDOW : 60_000),
    by: isAuth ? "address-and-account" : "identity",
  };
  return Object.freeze({
    policies: isAuth ? [main, AUTH_ACCOUNT, AUTH_ADDRESS] : [main],
    algorithm: parseChoice("algorithm", options.algorithm ?? "sliding-window", [
      "sliding-window",
      "fixed-window",
    ] as const),
    onRedisError: parsePolicy(options),
    headers: parseHeaders(options.standardHeaders),
    legacyHeaders: options.legacyHeaders ?? false,
    identitiesOf: onlyOne(options, "by", "keyGenerator") as RateLimitOptions["by"],
    verdict: parseAddressLists(options.allow, options.deny),
    account: options.account ?? accountsOfBody,
    skipFailed: options.skipFailedRequests ?? false,
    skipSuccessful: options.skipSuccessfulRequests ?? isAuth,
    requestWasSuccessful:
      (options.requestWasSuccessful as LimiterPlan["requestWasSuccessful"] | undefined) ??
      ((_request, response) => response.statusCode < 400),
    propertyName: options.requestPropertyName ?? "rateLimit",
    options,
  });
}

/** A limiter's type is a key segment and a structured-field string, so it is a plain word. */
export function parseType(type: unknown): string {
  if (typeof type === "string" && /^[\w.-]{1,64}$/.test(type)) return type;
  throw invalidOption("type", type, "a word of letters, digits, `_`, `.` and `-`");
}

function checkFunctions(options: RateLimitOptions): void {
  for (const name of [
    "keyGenerator",
    "by",
    "account",
    "handler",
    "skip",
    "requestWasSuccessful",
  ] as const) {
    parseFunction(name, options[name]);
  }
  for (const name of [
    "legacyHeaders",
    "skipFailedRequests",
    "skipSuccessfulRequests",
    "passOnStoreError",
  ] as const) {
    const value: unknown = options[name];
    if (value !== undefined && typeof value !== "boolean")
      throw invalidOption(name, value, "true or false");
  }
  const { statusCode = 429, requestPropertyName = "rateLimit" } = options;
  if (parseCount("statusCode", statusCode, 400) > 599) {
    throw invalidOption("statusCode", statusCode, "a status from 400 to 599");
  }
  if (typeof (requestPropertyName as unknown) !== "string" || requestPropertyName === "") {
    throw invalidOption("requestPropertyName", requestPropertyName, "a name");
  }
}

/** Options that the chosen preset would not look at. */
function checkPreset(options: RateLimitOptions, isAuth: boolean): void {
  const names = isAuth ? (["keyGenerator", "by"] as const) : (["account"] as const);
  const idle = names.find((name) => options[name] !== undefined);
  if (idle === undefined) return;
  throw new KitError("INVALID_OPTION", {
    message: `\`${idle}\` has no effect on ${isAuth ? "the auth preset, which counts by address and account" : "any limiter but the auth preset"}.`,
    fix: isAuth ? "Pass `account`, or give the limiter another type." : "Pass `by`.",
  });
}

function onlyOne(
  options: RateLimitOptions,
  name: keyof RateLimitOptions,
  other: keyof RateLimitOptions,
) {
  if (options[name] !== undefined && options[other] !== undefined) {
    throw new KitError("INVALID_OPTION", {
      message: `\`${name}\` and \`${other}\` are two names of one option, and both are given.`,
      fix: `Keep \`${name}\`.`,
    });
  }
  return options[name] ?? options[other];
}

function parseLimit(options: RateLimitOptions, standard: number): Policy["limit"] {
  const limit = onlyOne(options, "limit", "max") ?? standard;
  return typeof limit === "function"
    ? (limit as Exclude<Policy["limit"], number>)
    : parseCount("limit", limit, 0);
}

function parseWindow(options: RateLimitOptions, standard: number): number {
  return parseDuration("window", onlyOne(options, "window", "windowMs") ?? standard);
}

function parsePolicy(options: RateLimitOptions): RedisErrorPolicy {
  const policy = options.onRedisError ?? (options.passOnStoreError ? "open" : "memory");
  return parseChoice("onRedisError", policy, ["memory", "open", "closed"] as const);
}

function parseHeaders(value: unknown): HeaderStyle {
  if (value === undefined) return "draft-8";
  if (value === true) return "draft-6";
  if (value === false || value === "draft-8" || value === "draft-7" || value === "draft-6")
    return value;
  throw invalidOption(
    "standardHeaders",
    value,
    `'draft-8', 'draft-7', 'draft-6' or false, not ${show(value)}`,
  );
}
