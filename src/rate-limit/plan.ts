/** A limiter's options, checked once and resolved. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Options as ShellOptions } from "express-rate-limit";
import { KitError } from "../errors.ts";
import { checkOptions, invalidOption, parseChoice, parseCount, show } from "../validate.ts";
import { accountsOfBody } from "./account.ts";
import type { Quota } from "./algorithms/algorithm.ts";
import { parseAddressLists, type Verdict } from "./address-lists.ts";
import type {
  AlgorithmName,
  CheckName,
  HeaderStyle,
  RateLimitOptions,
  RedisErrorPolicy,
} from "./options.ts";
import { checkTypes, parseChecks, parseType } from "./option-types.ts";
import { notWithFixedWindow, onlyOne, parseQuotas, type Quotas } from "./quotas.ts";
import { parseSuspicion, type Thresholds } from "./suspicion.ts";

/** One counter that a request is held against. */
export interface Policy {
  /** Key segment. */
  readonly type: string;
  /** What draft 8's header fields call it. */
  readonly name: string | NonNullable<RateLimitOptions["identifier"]>;
  readonly quotas: Quotas;
  /** Which of the request's identities make the key; nothing where one is missing. */
  readonly by: "identity" | "address" | "account" | "address-and-account";
}

/** A policy of which nothing depends on the request. */
export interface FixedPolicy extends Pick<Policy, "type" | "by"> {
  readonly quotas: readonly Quota[];
  /** What the header fields call each quota. */
  readonly names: readonly string[];
}

/** A limiter's options, resolved. */
export interface LimiterPlan {
  readonly main: Policy;
  /** What else the preset counts on. */
  readonly further: readonly FixedPolicy[];
  readonly algorithm: AlgorithmName;
  readonly onRedisError: RedisErrorPolicy;
  readonly headers: HeaderStyle;
  readonly legacyHeaders: boolean;
  /** Undefined for the client's address. */
  readonly identitiesOf: RateLimitOptions["by"];
  readonly ipv6Subnet: NonNullable<RateLimitOptions["ipv6Subnet"]>;
  readonly cost: NonNullable<RateLimitOptions["cost"]>;
  readonly shadow: boolean;
  /** What `allow` and `deny` say; undefined where neither is given. */
  readonly verdict: Verdict | undefined;
  /** Of the auth preset. */
  readonly account: RateLimitOptions["account"];
  readonly suspicion: Thresholds | undefined;
  /** Whether the outcome of a request decides if it counts. */
  readonly isHeld: boolean;
  readonly skipFailed: boolean;
  readonly skipSuccessful: boolean;
  readonly requestWasSuccessful: (
    request: IncomingMessage,
    response: ServerResponse,
  ) => boolean | Promise<boolean>;
  readonly propertyName: string;
  readonly statusCode: number;
  /** Whether a check is on. */
  checks(name: CheckName): boolean;
  readonly options: RateLimitOptions;
}

const KNOWN: readonly (keyof RateLimitOptions)[] = [
  "type",
  "limit",
  "max",
  "window",
  "windowMs",
  "burst",
  "windows",
  "cost",
  "algorithm",
  "keyGenerator",
  "by",
  "ipv6Subnet",
  "allow",
  "deny",
  "account",
  "suspicious",
  "shadow",
  "onRedisError",
  "standardHeaders",
  "legacyHeaders",
  "headers",
  "identifier",
  "retryAfter",
  "message",
  "statusCode",
  "handler",
  "skip",
  "requestPropertyName",
  "requestWasSuccessful",
  "skipFailedRequests",
  "skipSuccessfulRequests",
  "passOnStoreError",
  "validate",
  "logger",
];

/** Attempts on one account from one address; on one account from anywhere; from one address. */
const AUTH = { limit: 10, window: 15 * 60_000 };
const AUTH_ACCOUNT: FixedPolicy = {
  type: "auth-account",
  names: ["auth-account"],
  quotas: [{ limit: 100, window: 60 * 60_000, burst: 100 }],
  by: "account",
};
const AUTH_ADDRESS: FixedPolicy = {
  type: "auth-ip",
  names: ["auth-ip"],
  quotas: [{ limit: 100, window: 15 * 60_000, burst: 100 }],
  by: "address",
};
/** The least that a provider hands to one customer (RFC 6177). */
const IPV6_SUBNET = 56;
const API = { limit: 100, window: 60_000 };

/** The one object of options, whichever way they were passed. */
function optionsOf(first: unknown, second: unknown): RateLimitOptions {
  if (typeof first !== "string" && first !== undefined && second !== undefined) {
    throw invalidOption("type", first, "a word, where options follow it");
  }
  const given: unknown = typeof first === "string" ? (second ?? {}) : (first ?? second ?? {});
  if (first === null) throw invalidOption("rateLimit()", first, "a type, or an object of options");
  if (typeof given === "object" && given !== null && "store" in given) throw foreignStore();
  checkOptions("rateLimit()", given, KNOWN);
  const options = given as RateLimitOptions;
  return typeof first === "string" ? { ...options, type: first } : options;
}

/** Resolves `rateLimit(type, options)` and `rateLimit(options)`. */
export function planLimiter(
  first: string | RateLimitOptions | undefined,
  second: RateLimitOptions | undefined,
): LimiterPlan {
  const options = optionsOf(first, second);
  checkTypes(options);
  const type = parseType(options.type ?? "api");
  const isAuth = type === "auth";
  checkPreset(options, isAuth);
  const algorithm = parseChoice("algorithm", options.algorithm ?? "sliding-window", [
    "sliding-window",
    "token-bucket",
    "fixed-window",
  ] as const);
  const main: Policy = {
    type,
    name: options.identifier ?? type,
    quotas: parseQuotas(options, algorithm, isAuth ? AUTH : API),
    by: isAuth ? "address-and-account" : "identity",
  };
  const further = isAuth ? [AUTH_ACCOUNT, AUTH_ADDRESS] : [];
  const skipFailed = options.skipFailedRequests ?? false;
  const skipSuccessful = options.skipSuccessfulRequests ?? isAuth;
  return Object.freeze({
    main,
    further,
    algorithm,
    onRedisError: parseErrorPolicy(options),
    headers: parseHeaders(options.standardHeaders),
    legacyHeaders: (onlyOne(options, "legacyHeaders", "headers") as boolean | undefined) ?? false,
    identitiesOf: onlyOne(options, "by", "keyGenerator") as RateLimitOptions["by"],
    ipv6Subnet: options.ipv6Subnet ?? IPV6_SUBNET,
    cost: parseCost(options.cost, algorithm, [main, ...further]),
    shadow: options.shadow ?? false,
    verdict: parseAddressLists(options.allow, options.deny),
    account: isAuth ? (options.account ?? accountsOfBody) : undefined,
    suspicion: isAuth ? parseSuspicion(options.suspicious) : undefined,
    isHeld: skipFailed || skipSuccessful,
    skipFailed,
    skipSuccessful,
    requestWasSuccessful:
      (options.requestWasSuccessful as LimiterPlan["requestWasSuccessful"] | undefined) ??
      ((_request, response) => response.statusCode < 400),
    propertyName: options.requestPropertyName ?? "rateLimit",
    statusCode: options.statusCode ?? 429,
    checks: parseChecks(options.validate),
    options,
  });
}

function foreignStore(): KitError {
  return new KitError("INVALID_OPTION", {
    message: "rateLimit() counts on the kit's own connection, so it takes no `store`.",
    fix: "Leave `store` out; or keep express-rate-limit's rateLimit() and give it rateLimitStore('own').",
  });
}

/** Options that the chosen preset would not look at. */
function checkPreset(options: RateLimitOptions, isAuth: boolean): void {
  const names = isAuth ? (["keyGenerator", "by"] as const) : (["account", "suspicious"] as const);
  const idle = names.find((name) => options[name] !== undefined);
  if (idle === undefined) return;
  throw new KitError("INVALID_OPTION", {
    message: `\`${idle}\` has no effect on ${isAuth ? "the auth preset, which counts by address and account" : "any limiter but the auth preset"}.`,
    fix: isAuth
      ? "Pass `account`, or give the limiter another type."
      : "Pass `by`, or name the limiter 'auth'.",
  });
}

function parseCost(
  cost: RateLimitOptions["cost"],
  algorithm: AlgorithmName,
  policies: readonly (Policy | FixedPolicy)[],
): LimiterPlan["cost"] {
  if (cost === undefined) return 1;
  if (algorithm === "fixed-window") throw notWithFixedWindow("cost");
  if (typeof cost === "function") return cost;
  const fixed = policies.flatMap(({ quotas }) => (typeof quotas === "function" ? [] : quotas));
  const most = Math.min(...fixed.map(({ burst }) => burst));
  if (parseCount("cost", cost, 0) <= most) return cost;
  throw invalidOption("cost", cost, `at most ${most}, which is all that one quota ever admits`);
}

function parseErrorPolicy(options: RateLimitOptions): RedisErrorPolicy {
  const given = options.onRedisError ?? (options.passOnStoreError ? "open" : "memory");
  const policy = parseChoice("onRedisError", given, ["memory", "open", "closed"] as const);
  return options.shadow && policy === "closed" ? "open" : policy;
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

/** express-rate-limit's options as its callbacks are told of them. */
export function shellOptionsOf({ options, main, ...plan }: LimiterPlan): ShellOptions {
  const { name, quotas } = main;
  const quota = typeof quotas === "function" ? undefined : quotas[0];
  return {
    ...(options as Partial<ShellOptions>),
    windowMs: quota?.window,
    limit: options.limit ?? options.max ?? quota?.limit,
    message: options.message ?? "Too many requests, please try again later.",
    statusCode: plan.statusCode,
    legacyHeaders: plan.legacyHeaders,
    standardHeaders: plan.headers,
    identifier: name,
    requestPropertyName: plan.propertyName,
    skipFailedRequests: plan.skipFailed,
    skipSuccessfulRequests: plan.skipSuccessful,
    requestWasSuccessful: plan.requestWasSuccessful,
    passOnStoreError: plan.onRedisError === "open",
  } as ShellOptions;
}
