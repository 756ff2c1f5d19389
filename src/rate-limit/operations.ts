/** `rateLimit.peek()`, `.reset()` and `.block()`: one identity of one type, by hand. */
import type { Request, Response } from "express";
import type { Context } from "../context.ts";
import { KitError } from "../errors.ts";
import { addressIdentity } from "../request.ts";
import { checkOptions, type Duration, invalidOption, parseDuration } from "../validate.ts";
import { normalizeAccounts } from "./account.ts";
import { ALGORITHMS } from "./algorithms/by-name.ts";
import type { Quota } from "./algorithms/algorithm.ts";
import { denialsOf } from "./denials.ts";
import { resetOf, retryAfterOf, rowsOf, strictest } from "./rows.ts";
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
  peek(type: string, id: IdentityValue, options?: PeekOptions): Promise<RateLimitState>;
  /**
   * Forgets what an identity has used, and any block of it. Other processes that remember a refusal see
   * it within 10 s. Answers whether there was anything.
   */
  reset(type: string, id: IdentityValue): Promise<boolean>;
  /**
   * Refuses everything of an identity, in all processes.
   *
   * @param duration milliseconds, or such as `'15m'`
   */
  block(type: string, id: IdentityValue, duration: Duration): Promise<void>;
}

/** Makes the operations of one kit. */
export function createOperations(context: Context): RateLimitOperations {
  const { connection, keys } = context;
  const denials = denialsOf(context);
  const reset = createReset(context);
  const keyOf = (type: string, id: IdentityValue, meaning: Meaning | undefined): string =>
    keys.rateLimit(parseType(type), identityOf(id, meaning));

  return {
    peek: async (type, id, options = {}) => {
      const meaning = known(context, type);
      const key = keyOf(type, id, meaning);
      const quotas = await quotasFor(meaning, type, options);
      const asked = { key, quotas, cost: 1 };
      const algorithm = ALGORITHMS[meaning.algorithm];
      const decision = await algorithm.take(connection, asked, "look");
      const names = namesOf(type, quotas);
      const rows = rowsOf([{ ask: { ...asked, type, names }, decision, on: connection }]);
      const windows = rows.map((row): WindowState => ({
        limit: row.quota.limit,
        window: row.quota.window,
        used: row.standing.used,
        remaining: row.standing.remaining,
        reset: resetOf(row),
      }));
      return {
        ...windows[rows.indexOf(strictest(rows))]!,
        retryAfter: retryAfterOf(rows),
        blockedFor: decision.blockedFor,
        windows,
      };
    },
    reset: async (type, id) => {
      const key = keyOf(type, id, meaningOf(context, type));
      return reset(key);
    },
    block: async (type, id, duration) => {
      const length = parseDuration("duration", duration);
      const meaning = known(context, type);
      const key = keyOf(type, id, meaning);
      await ALGORITHMS[meaning.algorithm].block(connection, key, length);
      denials.block(key, length);
    },
  };
}

/** What a type means. The presets are known without a limiter. */
function known(context: Context, type: string): Meaning {
  const meaning = meaningOf(context, type);
  if (meaning !== undefined) return meaning;
  const presets = [planLimiter("api", undefined), planLimiter("auth", undefined)];
  for (const { algorithm, main, further } of presets) {
    const policy = [main, ...further].find((each) => each.type === type);
    if (policy) return { algorithm, quotas: policy.quotas, by: policy.by };
  }
  throw new KitError("RATE_LIMIT_UNKNOWN_TYPE", {
    message: `No limiter of this kit has the type '${parseType(type)}', so what its keys hold is not known.`,
    fix: `Make the limiter first, in this process too: rateLimit('${type}', { … }).`,
  });
}

/** Addresses and accounts in the spelling that they are counted in. */
function identityOf(id: IdentityValue, meaning: Meaning | undefined): string[] {
  const parts = segmentsOf(id);
  const spellings: Readonly<Record<string, (part: string) => string | undefined>> = {
    address: (part) => addressIdentity(part, meaning?.ipv6Subnet),
    account: (part) => normalizeAccounts(part)[0],
  };
  // `by: identity` is the address, too, where the limiter has no function of its own.
  const wanted = meaning?.by?.replace("identity", "address").split("-and-");
  if (wanted === undefined) return parts;
  const spelt = wanted.map((name, index) => spellings[name]!(parts[index] ?? ""));
  const isComplete = parts.length === wanted.length && spelt.every((part) => part !== undefined);
  if (isComplete) return spelt;
  throw invalidOption("id", id, wanted.map((name) => `an ${name}`).join(" and "));
}

async function quotasFor(
  { quotas, algorithm }: Meaning,
  type: string,
  options: PeekOptions,
): Promise<readonly Quota[]> {
  checkOptions("peek()", options, ["limit", "window", "windows"]);
  const isGiven = Object.keys(options).length > 0;
  if (!isGiven && quotas !== undefined && typeof quotas !== "function") return quotas;
  if (!isGiven) {
    throw new KitError("INVALID_OPTION", {
      message: `The limits of '${type}' depend on the request, and there is none to ask.`,
      fix: `Say which ones to look at: rateLimit.peek('${type}', id, { limit: 100, window: '1m' }).`,
    });
  }
  const given = parseQuotas(options, algorithm, { limit: 100, window: 60_000 });
  // Not a function: `options` holds none.
  return typeof given === "function" ? given({} as Request, {} as Response) : given;
}
