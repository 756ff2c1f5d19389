/** What a limiter can be told. */
import type { Options as ShellOptions } from "express-rate-limit";
import type { Request, Response } from "express";
import type { Duration } from "../validate.ts";

/** How requests are counted; see the README for what each admits at a window's edge. */
export type AlgorithmName = "sliding-window" | "token-bucket" | "fixed-window";

/** What happens to a request while Redis cannot be asked. */
export type RedisErrorPolicy = "memory" | "open" | "closed";

/** Which RateLimit header fields are sent. */
export type HeaderStyle = "draft-8" | "draft-7" | "draft-6" | false;

/** What tells one client from another: a text, a finite number, a bigint, or several that do so together. */
export type IdentityValue = string | number | bigint | readonly (string | number | bigint)[];

/** One identity, or a list of several of which each is counted on a key of its own. */
export type Identities = string | number | bigint | readonly IdentityValue[];

/** The account, or accounts, that a sign-in is for; undefined for none. */
export type Accounts = string | readonly string[] | undefined;

/** A value, or what answers it for a request. */
export type PerRequest<T> = T | ((request: Request, response: Response) => T | Promise<T>);

/** One of several quotas that hold together. */
export interface WindowOptions {
  /** Requests per window. */
  limit: number;
  /** The window's length. */
  window: Duration;
  /** For a token bucket: how many may come at once. Default: `limit`. */
  burst?: number;
}

/** When `suspicious` events are emitted. */
export interface SuspicionOptions {
  /** So many addresses that failed to sign in to one account are suspicious. Default: 10. */
  addressesPerAccount?: number;
  /** So many accounts that one address failed to sign in to are suspicious. Default: 20. */
  accountsPerAddress?: number;
  /** Within so long. Default: `'15m'`. */
  window?: Duration;
}

/** The checks that tell of mistakes while requests come in. */
export type CheckName = "trustProxy" | "xForwardedForHeader" | "creationStack" | "singleCount";

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
  | "headers"
  | "passOnStoreError"
  | "ipv6Subnet"
  | "retryAfter"
  | "validate"
  | "logger";

/** Options of `rateLimit()`. */
export interface RateLimitOptions extends Partial<Pick<ShellOptions, Kept>> {
  /** Names the key segment and the policy. Limiters of one type share their counts. Default: `'api'`. */
  type?: string;
  /** Requests per window, or what answers that for a request. Default: 100. */
  limit?: PerRequest<number>;
  /** express-rate-limit's older name of `limit`. */
  max?: RateLimitOptions["limit"];
  /** The window's length. Default: `'1m'`. */
  window?: Duration;
  /** express-rate-limit's name of `window`, in milliseconds. */
  windowMs?: number;
  /** For a token bucket: how many requests may come at once. Default: `limit`. */
  burst?: number;
  /**
   * Several quotas that hold together, instead of `limit` and `window`: `[{ limit: 5, window: '1m' },
   * { limit: 100, window: '1d' }]`. All admit a request, or none counts it.
   */
  windows?: PerRequest<readonly WindowOptions[]>;
  /** How many requests a request counts for: a whole number from 0. Default: 1. */
  cost?: PerRequest<number>;
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
  account?: (request: Request) => Accounts | Promise<Accounts>;
  /** For the `auth` preset: when to emit `suspicious`; `false` for never. */
  suspicious?: SuspicionOptions | false;
  /** Counts and reports (event `limited`), but refuses nothing and sends no header fields. Default: false. */
  shadow?: boolean;
  /** Default: `'memory'`, the same limits counted in this process. `passOnStoreError: true` means `'open'`. */
  onRedisError?: RedisErrorPolicy;
  /** Default: `'draft-8'`; `true` means `'draft-6'`, as in express-rate-limit. */
  standardHeaders?: HeaderStyle | true;
  /** What draft 8's header fields call the policy. Default: the type. */
  identifier?: PerRequest<string>;
}
