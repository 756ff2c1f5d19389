/** `createKit()`: configuration → one connection → the features bound to it. */
import { randomBytes } from "node:crypto";
import type { Store as SessionStore } from "express-session";
import type { Store as RateLimitStore } from "express-rate-limit";
import { type Cache, createCache } from "./cache/cache.ts";
import { type Config, type KitOptions, resolveConfig } from "./config.ts";
import { NOTHING } from "./config/choose-target.ts";
import { openConnection } from "./connection/open.ts";
import type { Connection } from "./connection/port.ts";
import { type Context, createNotices } from "./context.ts";
import { createKeys } from "./keys.ts";
import { createEvents, type Events } from "./observe/events.ts";
import { checkHealth, type Health } from "./observe/health.ts";
import { createIdentity, type Identity } from "./rate-limit/identity.ts";
import { createRateLimit, type RateLimit } from "./rate-limit/middleware.ts";
import { createRateLimitStore, type RateLimitStoreOptions } from "./rate-limit/store.ts";
import { describeTarget } from "./config/redis-target.ts";
import { noting } from "./prefetch/changes.ts";
import { Prefetch } from "./prefetch/prefetch.ts";
import type { Middleware } from "./request.ts";
import { createSecurity, type SecurityOptions } from "./security/security.ts";
import { login, type LoginOptions, logout } from "./session/login.ts";
import { createSession, createSessionStore } from "./session/middleware.ts";
import type { SessionOptions, SessionStoreOptions } from "./session/options.ts";
import { assertActive } from "./session/assert-active.ts";
import { createSessions, type Sessions } from "./session/sessions.ts";
import type { UserId } from "./user-id.ts";

/** The features on one connection; made by {@link createKit}. */
export interface Kit {
  /** helmet, ready configured. */
  security(options?: SecurityOptions): Middleware;
  /** Limits requests; see the README for presets and options. */
  rateLimit: RateLimit;
  /** What a limiter's `by` makes identities of. */
  identity: Identity;
  /** Sessions, one live session a user. */
  session(options?: SessionOptions): Middleware;
  /** Caches responses, and with `cache.wrap` any value; `cache.purge` and others take them back. */
  cache: Cache;
  /** Signs a request in. */
  login(
    request: Parameters<typeof login>[0],
    userId: UserId,
    options?: LoginOptions,
  ): Promise<void>;
  /** Signs a request out. */
  logout(request: Parameters<typeof logout>[0]): Promise<void>;
  /** Rejects where the request's session was ended meanwhile. */
  assertActive(request: Parameters<typeof assertActive>[0]): Promise<void>;
  /** A user's sessions: listed and ended by handles. */
  sessions: Sessions;
  /** The bare store for one's own express-session call. */
  sessionStore(options?: SessionStoreOptions): SessionStore;
  /** The bare store for one's own express-rate-limit call. */
  rateLimitStore(type?: string, options?: RateLimitStoreOptions): RateLimitStore;
  /** Whether the kit can work now. Never rejects. */
  health(): Promise<Health>;
  /** Resolves once Redis answers; rejects with the diagnosis where it does not. */
  ready(): Promise<void>;
  /** Ends the connection after the replies of commands under way. */
  close(): Promise<void>;
  /** Listens to what happens in the kit. */
  on: Events["on"];
  /** Stops listening. */
  off: Events["off"];
}

function open(config: Config): Context {
  const events = createEvents();
  const notices = createNotices(config.logger, config.quiet);
  const connection = openConnection(config, {
    connection: (state) => events.emit("connection", state),
    error: (error) => {
      events.emit("redis-error", { error, during: "connecting" });
      config.logger.error(`express-redis-kit: ${error.message}`);
    },
    fallback: (why) => {
      events.emit("redis-error", { error: why, during: "connecting" });
      notices.add(`${why.message} Development goes on in memory.`);
    },
  });
  announce(config, connection, notices);
  const prefetch = new Prefetch(config.deadline);
  return { config, connection, keys: createKeys(config.namespace), events, notices, prefetch };
}

/** Says once what was chosen. What development should know is gathered until the connection is decided. */
function announce(config: Config, connection: Connection, notices: Context["notices"]): void {
  for (const warning of config.warnings) config.logger.warn(`express-redis-kit: ${warning}`);
  if (config.target.kind === "memory") {
    if (config.source === NOTHING)
      notices.add(
        "No Redis is configured: everything is kept in this process's memory, and is gone at its end. Set REDIS_URL to change that, or SKIP_REDIS_WARNING=true to silence this.",
      );
    setImmediate(() => notices.flush());
    return;
  }
  if (config.environment !== "test") {
    config.logger.info(
      `express-redis-kit: Redis at ${describeTarget(config.target)} (from ${config.source})`,
    );
  }
  const flush = () => notices.flush();
  connection.ready().then(flush, flush);
}

/** One made-up secret a process, so that all of its session() calls agree. */
let madeUpSecret: string | undefined;

/**
 * Makes a kit: resolves the configuration, opens the one connection, binds the features to it.
 *
 * @throws KitError for everything that is wrong, unknown or refused in options and environment
 * @example
 * ```ts
 * import express from 'express'
 * import { createKit } from 'express-redis-kit'
 *
 * const kit = createKit({ namespace: 'shop', deadline: '200ms' })
 * const app = express()
 * app.use(kit.rateLimit(), kit.session())
 * ```
 */
export function createKit(options: KitOptions = {}): Kit {
  const context = open(resolveConfig(options));
  const { connection, events, notices, prefetch } = context;
  // Limiters and caches write all the time what makes no answer a wrong one, and note by themselves what does.
  const noted: Context = { ...context, connection: noting(connection, prefetch.changes) };
  const makeSecret = (): string => {
    notices.add(
      "SESSION_SECRET is not set: a secret was made up for this process, so its end signs everybody out.",
    );
    madeUpSecret ??= randomBytes(32).toString("base64url");
    return madeUpSecret;
  };
  return Object.freeze({
    security: createSecurity(context),
    rateLimit: createRateLimit(context),
    identity: createIdentity(context.config.trust),
    session: createSession(noted, makeSecret),
    cache: createCache(context),
    login,
    logout,
    assertActive,
    sessions: createSessions(noted),
    sessionStore: createSessionStore(noted),
    rateLimitStore: createRateLimitStore(context),
    health: () => checkHealth(connection),
    ready: () => connection.ready(),
    close: () => connection.close(),
    on: events.on,
    off: events.off,
  });
}
