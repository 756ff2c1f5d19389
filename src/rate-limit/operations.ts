/** `rateLimit.peek()`, `.reset()` and `.block()`: one identity of one type, by hand. */
import { isIPv6 } from "node:net";
import type { Context } from "../context.ts";
import { KitError } from "../errors.ts";
import { addressIdentity } from "../request.ts";
import { checkOptions, type Duration, invalidOption, parseDuration } from "../validate.ts";
import { normalizeAccounts } from "./account.ts";
import { ALGORITHMS } from "./algorithms/by-name.ts";
import type { Quota } from "./algorithms/algorithm.ts";
import { denialsOf } from "./denials.ts";
import { resetOf, retryAfterOf, type Row, rowsOf, strictest } from "./rows.ts";
import { segmentsOf } from "./identities.ts";
import type { IdentityValue, WindowOptions } from "./options.ts";
import { parseType } from "./option-types.ts";
import { planLimiter } from "./plan.ts";
import { namesOf, parseQuotas } from "./quotas.ts";
import { type Meaning, meaningOf } from "./register.ts";
import { createReset } from "./reset.ts";

/** How one quota of an identity stands. */
export interface WindowState {
  /** Requests per window. */
  limit: number;
  /** The window's length, in milliseconds. */
  window: number;
  /** Requests that count now. */
  used: number;
  /** Requests that would be admitted now. */
  remaining: number;
  /** Milliseconds until the window ends, or the bucket is full again. */
  reset: number;
}

/** How an identity stands: the quota that will stop it first, and all of them. */
export interface RateLimitState extends WindowState {
  /** Milliseconds until a request can be admitted; 0 if one can be now. */
  retryAfter: number;
  /** Milliseconds for which the identity is blocked; 0 if it is not. */
  blockedFor: number;
  /** One for each quota. */
  windows: readonly WindowState[];
}

/** What a limiter whose limits are functions cannot say without a request. */
export interface PeekOptions {
  /** Requests per window. */
  limit?: number;
  /** The window's length. */
  window?: Duration;
  /** Several of both. */
  windows?: readonly WindowOptions[];
}

/**
 * Looks at what a limiter counts, and changes it.
 *
 * @example
 * ```ts
 * import { rateLimit } from 'express-redis-kit'
 *
 * const { remaining, retryAfter } = await rateLimit.peek('api', '192.0.2.7')
 * console.log(remaining, retryAfter)
 * await rateLimit.block('auth-account', 'ada@example.com', '1h')
 * await rateLimit.reset('auth-account', 'ada@example.com')
 * ```
 */
export interface RateLimitOperations {
  /**
   * How an identity stands, without counting. One that was never seen has used 0.
   *
   * @param type the limiter's type: `'api'`, `'auth'`, `'auth-ip'`, …
   * @param id an address, whatever `by` answers, or several parts: `['192.0.2.7', 'ada']` for `auth`
   * @param options the limits, for a limiter that has functions for them
   * @throws KitError `RATE_LIMIT_UNKNOWN_TYPE`, `INVALID_OPTION`; `REDIS_TIMEOUT` and the like
   */
  peek(this: void, type: string, id: IdentityValue, options?: PeekOptions): Promise<RateLimitState>;
  /**
   * Forgets what an identity has used, and any block of it. Other processes that remember a refusal see
   * it within 10 s. Answers whether there was anything.
   */
  reset(this: void, type: string, id: IdentityValue): Promise<boolean>;
  /**
   * Refuses everything of an identity, in all processes.
   *
   * @param duration milliseconds, or such as `'15m'`
   */
  block(this: void, type: string, id: IdentityValue, duration: Duration): Promise<void>;
}

/** The operations, and the same by a key as it stands in Redis. */
export interface KeyOperations extends RateLimitOperations {
  keyOf(this: void, type: string, id: IdentityValue): string;
  peekAt(this: void, type: string, key: string, options?: PeekOptions): Promise<RateLimitState>;
  resetAt(this: void, key: string): Promise<boolean>;
}

/** Makes the operations of one kit. */
export function createOperations(context: Context): KeyOperations {
  const { connection, keys } = context;
  const resetAt = createReset(context);
  const keyOf: KeyOperations["keyOf"] = (type, id) =>
    keys.rateLimit(parseType(type), identityOf(id, meaningOf(context, type) ?? presetOf(type)));
  const peekAt: KeyOperations["peekAt"] = async (type, key, options = {}) => {
    const meaning = known(context, type);
    const quotas = quotasFor(meaning, type, options);
    const asked = { key, quotas, cost: 1 };
    const decision = await ALGORITHMS[meaning.algorithm].take(connection, asked, "look");
    const ask = { ...asked, type, names: namesOf(type, quotas) };
    return stateOf(rowsOf([{ ask, decision, on: connection }]), decision.blockedFor);
  };

  return {
    keyOf,
    peekAt,
    resetAt,
    peek: async (type, id, options) => peekAt(type, keyOf(type, id), options),
    reset: async (type, id) => resetAt(keyOf(type, id)),
    block: async (type, id, duration) => {
      const length = parseDuration("duration", duration);
      const { algorithm } = known(context, type);
      const key = keyOf(type, id);
      try {
        await ALGORITHMS[algorithm].block(connection, key, length);
      } finally {
        context.prefetch.changes.note(key);
      }
      denialsOf(context).block(key, length);
    },
  };
}

function stateOf(rows: readonly Row[], blockedFor: number): RateLimitState {
  const windows = rows.map((row): WindowState => ({
    limit: row.quota.limit,
    window: row.quota.window,
    used: row.standing.used,
    remaining: row.standing.remaining,
    reset: resetOf(row),
  }));
  const first = windows[rows.indexOf(strictest(rows))]!;
  return { ...first, retryAfter: retryAfterOf(rows), blockedFor, windows };
}

/** What a type means of which no limiter has been made, if it is a preset's. */
function presetOf(type: string): Meaning | undefined {
  for (const preset of ["api", "auth"]) {
    const { algorithm, main, further } = planLimiter(preset, undefined);
    const policy = [main, ...further].find((each) => each.type === type);
    if (policy) return { algorithm, quotas: policy.quotas, by: policy.by };
  }
  return undefined;
}

function known(context: Context, type: string): Meaning {
  const meaning = meaningOf(context, type) ?? presetOf(type);
  if (meaning !== undefined) return meaning;
  throw new KitError("RATE_LIMIT_UNKNOWN_TYPE", {
    message: `No limiter of this kit has the type '${parseType(type)}', so what its keys hold is not known.`,
    fix: `Make the limiter first, in this process too: rateLimit('${type}', { … }).`,
  });
}

/** Addresses and accounts in the spelling that they are counted in. */
function identityOf(id: IdentityValue, meaning: Meaning | undefined): string[] {
  const parts = segmentsOf(id);
  const spellings: Readonly<Record<string, (part: string) => string | undefined>> = {
    address: (part) => addressOf(part, meaning?.ipv6Subnet),
    account: (part) => normalizeAccounts(part)[0],
  };
  if (meaning?.by === undefined || meaning.by === "own") return parts;
  // `by: identity` is the address, too, where the limiter has no function of its own.
  const wanted = meaning.by.replace("identity", "address").split("-and-");
  const spelt = wanted.map((name, index) => spellings[name]!(parts[index] ?? ""));
  const isComplete = parts.length === wanted.length && spelt.every((part) => part !== undefined);
  if (isComplete) return spelt;
  throw invalidOption("id", id, wanted.map((name) => `an ${name}`).join(" and "));
}

function addressOf(address: string, subnet: Meaning["ipv6Subnet"]): string {
  if (subnet !== "depends") return addressIdentity(address, subnet);
  if (!isIPv6(address)) return addressIdentity(address);
  throw invalidOption(
    "id",
    address,
    "an address with its prefix (2001:db8::/64): `ipv6Subnet` is a function",
  );
}

function quotasFor(
  { quotas, algorithm }: Meaning,
  type: string,
  options: PeekOptions,
): readonly Quota[] {
  checkOptions("peek()", options, ["limit", "window", "windows"]);
  const isGiven = Object.keys(options).length > 0;
  const found = isGiven ? parseQuotas(options, algorithm, { limit: 100, window: 60_000 }) : quotas;
  if (found !== undefined && typeof found !== "function") return found;
  throw new KitError("INVALID_OPTION", {
    message: `The limits of '${type}' depend on the request, and there is none to ask.`,
    fix: `Say which ones to look at: rateLimit.peek('${type}', id, { limit: 100, window: '1m' }).`,
  });
}
