/** The one error class of the kit: what was wrong, what was meant, how to fix it. */

/** Every code that a {@link KitError} can carry; each is explained in `docs/errors.md`. */
export const ERROR_CODES = [
  "CACHE_KEY_INCOMPLETE",
  "CACHE_TEMPLATE_CONFLICT",
  "COOKIE_NOT_SENDABLE",
  "CREDENTIALS_UNAVAILABLE",
  "CROSS_SITE_LOGIN",
  "GUARD_UNREACHABLE",
  "HELD_ANSWER_FAILED",
  "INVALID_CACHE_TEMPLATE",
  "INVALID_COOKIE",
  "INVALID_DURATION",
  "INVALID_ENVIRONMENT",
  "INVALID_NAMESPACE",
  "INVALID_OPTION",
  "INVALID_REDIS_URL",
  "INVALID_USER_ID",
  "KIT_CLOSED",
  "NOT_SIGNED_IN",
  "PLAINTEXT_REFUSED",
  "RATE_LIMIT_TYPE_CONFLICT",
  "RATE_LIMIT_UNAVAILABLE",
  "RATE_LIMIT_UNKNOWN_TYPE",
  "REDIS_AUTH_FAILED",
  "REDIS_COMMAND_FAILED",
  "REDIS_NOT_CONFIGURED",
  "REDIS_PUSH_UNAVAILABLE",
  "REDIS_TIMEOUT",
  "REDIS_UNAVAILABLE",
  "SENTINEL_UNKNOWN_MASTER",
  "SESSION_CONFLICT",
  "SESSION_CORRUPT",
  "SESSION_ENDED",
  "SESSION_LIMIT",
  "SESSION_NOT_MOUNTED",
  "SESSION_SECRET_MISSING",
  "SESSION_UNAVAILABLE",
  "SIGN_IN_TOO_LATE",
  "TLS_CERTIFICATE_REJECTED",
  "TLS_EXPECTED",
  "TLS_NOT_OFFERED",
  "TLS_NOT_PROVEN",
  "TLS_VERIFICATION_REFUSED",
  "UNKNOWN_OPTION",
  "WAIT_UNTIL_FAILED",
] as const;

/** One of the stable codes in {@link ERROR_CODES}. */
export type ErrorCode = (typeof ERROR_CODES)[number];

/** What a {@link KitError} is made of. */
export interface KitErrorParts {
  /** What was wrong and what was meant, in one or two sentences. */
  message: string;
  /** The one change that mends it. */
  fix: string;
  /** The HTTP status that Express's error handler answers with. Default: 500. */
  status?: number;
  /** Seconds after which a client may try again; sent as `Retry-After`. */
  retryAfter?: number;
  /**
   * For a command that failed: `'notSent'` where it certainly did not run, `'maybeExecuted'` where
   * the answer was lost.
   */
  outcome?: "notSent" | "maybeExecuted";
  /** The error underneath. */
  cause?: unknown;
}

const BRAND: unique symbol = Symbol.for("express-redis-kit.KitError") as never;

/**
 * Thrown for every mistake in options or environment (at construction) and for every failure that a
 * request has to be told of.
 *
 * `instanceof` holds across an ESM and a CommonJS copy of the package.
 *
 * @example
 * ```ts
 * import { createKit, KitError } from 'express-redis-kit'
 *
 * try {
 *   createKit({ deadline: '15 mintues' })
 * } catch (error) {
 *   if (error instanceof KitError) console.error(error.code, error.fix)
 * }
 * ```
 */
export class KitError extends Error {
  /** Always `'KitError'`. */
  override readonly name = "KitError";
  /** Stable, for programs. */
  readonly code: ErrorCode;
  /** The one change that mends it. */
  readonly fix: string;
  /** Where the package explains this code. */
  readonly docs: string;
  /** Read by Express's final handler. */
  readonly status: number;
  /** Read by Express's final handler; holds `Retry-After` where there is one. */
  readonly headers: Record<string, string>;
  /** Whether the failed command may have run; undefined for errors that are not about a command. */
  readonly outcome: KitErrorParts["outcome"];
  /** @internal */
  readonly [BRAND] = true;

  constructor(code: ErrorCode, parts: KitErrorParts) {
    super(
      `${parts.message} ${parts.fix} [${code}]`,
      parts.cause === undefined ? undefined : { cause: parts.cause },
    );
    this.code = code;
    this.fix = parts.fix;
    this.docs = `docs/errors.md#${code.toLowerCase()}`;
    this.status = parts.status ?? 500;
    this.headers =
      parts.retryAfter === undefined ? {} : { "Retry-After": String(parts.retryAfter) };
    this.outcome = parts.outcome;
  }

  /** Recognises the errors of every copy of the package. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === "object" && value !== null && BRAND in value;
  }
}
