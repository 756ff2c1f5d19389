/**
 * Rate limits, sessions, response caching and a single-session guard for Express on one Redis
 * connection. The bare functions work on the default kit: one per process, made from the environment
 * at first use.
 */
import type { Cache } from "./cache/cache.ts";
import type { WrapOptions } from "./cache/wrap.ts";
import type { Kit } from "./kit.ts";
import { closeDefaultKit, defaultKit } from "./default-kit.ts";
import type { RateLimitOperations } from "./rate-limit/operations.ts";

export { createKit } from "./kit.ts";
export type { Kit } from "./kit.ts";
export type { Cache } from "./cache/cache.ts";
export { login, logout } from "./session/login.ts";
export { assertActive } from "./session/assert-active.ts";
export type { LoginOptions } from "./session/login.ts";
export { KitError, ERROR_CODES } from "./errors.ts";
export type { ErrorCode, KitErrorParts } from "./errors.ts";
export type { KitOptions, Logger } from "./config.ts";
export type { CacheDefaults, DefaultScope, MemoryOptions } from "./config/cache-defaults.ts";
export type { RedisOptions } from "./config/redis-options.ts";
export type {
  Credentials,
  CredentialsProvider,
  CredentialsReason,
  CredentialsRequest,
  PasswordCredentials,
  TokenCredentials,
} from "./config/credentials.ts";
export type { GivenClient } from "./config/given-client.ts";
export type { TrustProxy } from "./config/trust-proxy.ts";
export type { Duration } from "./validate.ts";
export type { Middleware } from "./request.ts";
export type {
  Accounts,
  AlgorithmName,
  HeaderStyle,
  Identities,
  IdentityValue,
  PerRequest,
  RateLimitOptions,
  RedisErrorPolicy,
  SuspicionOptions,
  WindowOptions,
} from "./rate-limit/options.ts";
export type { Identity } from "./rate-limit/identity.ts";
export type { RateLimitInfo } from "./rate-limit/info.ts";
export type { RateLimit, RateLimitMiddleware } from "./rate-limit/middleware.ts";
export type {
  PeekOptions,
  RateLimitOperations,
  RateLimitState,
  WindowState,
} from "./rate-limit/operations.ts";
export type { RateLimitStoreOptions } from "./rate-limit/store.ts";
export type { AdoptOptions, SessionOptions, SessionStoreOptions } from "./session/options.ts";
export type { CookieSuspicionOptions } from "./session/cookie/suspicion.ts";
export type { RequestSession, SessionInfo, Sessions } from "./session/sessions.ts";
export type { UserOf } from "./session/records/record.ts";
export type { SessionEnded } from "./augment.ts";
export type { UserId, WithText } from "./user-id.ts";
export type { CacheOptions, Scope } from "./cache/options.ts";
export type { CollapseOptions, EngineOptions, LifeOptions } from "./cache/engine-options.ts";
export type { Purging, PurgeTarget, TagTarget, TemplateTarget } from "./cache/purge.ts";
export type { Wrap, WrapOptions } from "./cache/wrap.ts";
export type { CacheCounts } from "./cache/counts.ts";
export type { SecurityOptions } from "./security/security.ts";
export type {
  CacheEvent,
  EndReason,
  EventName,
  Events,
  KitEvents,
  LimitedEvent,
  LoginEvent,
  RedisErrorEvent,
  SessionConflictEvent,
  SessionEndedEvent,
  SuspiciousEvent,
} from "./observe/events.ts";
export type { Params } from "./cache/template.ts";
export type { ConnectionState, Guarantee } from "./connection/port.ts";
export type { Health } from "./observe/health.ts";

/**
 * helmet, ready configured: HSTS only over https, and a Content-Security-Policy that suits an API.
 *
 * @example
 * ```ts
 * import express from 'express'
 * import { security } from 'express-redis-kit'
 *
 * express().use(security())
 * ```
 */
export const security: Kit["security"] = (options) => defaultKit().security(options);

/**
 * Limits requests. `rateLimit()` allows 100 a minute per client address; `rateLimit('auth')` guards
 * a login route.
 *
 * @throws KitError `UNKNOWN_OPTION`, `INVALID_OPTION`, `INVALID_DURATION`, `RATE_LIMIT_TYPE_CONFLICT`
 * @example
 * ```ts
 * import express from 'express'
 * import { rateLimit } from 'express-redis-kit'
 *
 * express().use(rateLimit({ limit: 300, window: '5m' }))
 * ```
 */
export const rateLimit: Kit["rateLimit"] = Object.assign(
  ((type, options) => defaultKit().rateLimit(type, options)) as Kit["rateLimit"],
  {
    peek: (...args: Parameters<RateLimitOperations["peek"]>) =>
      defaultKit().rateLimit.peek(...args),
    reset: (...args: Parameters<RateLimitOperations["reset"]>) =>
      defaultKit().rateLimit.reset(...args),
    block: (...args: Parameters<RateLimitOperations["block"]>) =>
      defaultKit().rateLimit.block(...args),
  },
);

/**
 * What a limiter's `by` makes identities of.
 *
 * @example
 * ```ts
 * import express from 'express'
 * import { identity, rateLimit } from 'express-redis-kit'
 *
 * const search = rateLimit('search', { by: (req) => req.get('X-API-Key') ?? identity.ip(req) })
 * express().get('/search', search, (req, res) => res.json([]))
 * ```
 */
export const identity: Kit["identity"] = { ip: (of) => defaultKit().identity.ip(of) };

/**
 * Sessions in Redis, at most one live session a user.
 *
 * @throws KitError `SESSION_SECRET_MISSING`, `INVALID_COOKIE`, `UNKNOWN_OPTION`, `INVALID_OPTION`, `INVALID_DURATION`
 * @example
 * ```ts
 * import express from 'express'
 * import { session } from 'express-redis-kit'
 *
 * express().use(session({ idle: '12h' }))
 * ```
 */
export const session: Kit["session"] = (options) => defaultKit().session(options);

/**
 * Caches GET responses of a route under a key made of the template and the route's params.
 *
 * @throws KitError `INVALID_CACHE_TEMPLATE`, `UNKNOWN_OPTION`, `INVALID_OPTION`, `INVALID_DURATION`
 * @example
 * ```ts
 * import express from 'express'
 * import { cache } from 'express-redis-kit'
 *
 * const app = express()
 * app.get('/brands/:id/settings', cache('brand:settings', { scope: 'public' }), (req, res) => {
 *   res.json({ id: req.params.id })
 * })
 * app.put('/brands/:id/settings', cache.purges('brand:settings'), (req, res) => {
 *   res.sendStatus(204)
 * })
 * ```
 */
export const cache: Cache = Object.assign(
  ((template, options) => defaultKit().cache(template, options)) as Kit["cache"],
  {
    purge: (...args: Parameters<Cache["purge"]>) => defaultKit().cache.purge(...args),
    expire: (...args: Parameters<Cache["expire"]>) => defaultKit().cache.expire(...args),
    purgeTag: (...args: Parameters<Cache["purgeTag"]>) => defaultKit().cache.purgeTag(...args),
    expireTag: (...args: Parameters<Cache["expireTag"]>) => defaultKit().cache.expireTag(...args),
    purgeUser: (...args: Parameters<Cache["purgeUser"]>) => defaultKit().cache.purgeUser(...args),
    purges: (...args: Parameters<Cache["purges"]>) => defaultKit().cache.purges(...args),
    clear: () => defaultKit().cache.clear(),
    wrap: <T>(key: string, loader: () => T | Promise<T>, options?: WrapOptions) =>
      defaultKit().cache.wrap(key, loader, options),
    counts: () => defaultKit().cache.counts(),
  },
);

/**
 * A user's sessions: listed, ended one by one or all at once, and found for a WebSocket's upgrade.
 *
 * @example
 * ```ts
 * import express from 'express'
 * import { session, sessions } from 'express-redis-kit'
 *
 * const app = express()
 * app.use(session({ concurrent: 3 }))
 * app.get('/account/sessions', async (req, res) => {
 *   res.json(await sessions.list(req.session.userId!, req))
 * })
 * app.delete('/account/sessions/:handle', async (req, res) => {
 *   await sessions.end(req.session.userId!, req.params.handle)
 *   res.sendStatus(204)
 * })
 * ```
 */
export const sessions: Kit["sessions"] = {
  list: async (userId, request) => defaultKit().sessions.list(userId, request),
  end: async (userId, handle) => defaultKit().sessions.end(userId, handle),
  endOthers: async (request) => defaultKit().sessions.endOthers(request),
  endAll: async (userId) => defaultKit().sessions.endAll(userId),
  fromRequest: async (request) => defaultKit().sessions.fromRequest(request),
};

/** The bare store for one's own express-session call: `session({ store: sessionStore(), … })`. */
export const sessionStore: Kit["sessionStore"] = (options) => defaultKit().sessionStore(options);

/** The bare store for one's own express-rate-limit call: `rateLimit({ store: rateLimitStore('api') })`. */
export const rateLimitStore: Kit["rateLimitStore"] = (type, options) =>
  defaultKit().rateLimitStore(type, options);

/** Whether the default kit can work now. Never rejects. */
export const health: Kit["health"] = async () => defaultKit().health();

/** Resolves once the default kit's Redis answers; rejects with the diagnosis where it does not. */
export const ready: Kit["ready"] = async () => defaultKit().ready();

/** Ends the default kit's connection, for a server that has stopped. The next use makes a new kit. */
export const close: Kit["close"] = closeDefaultKit;

/** Listens to what happens in the default kit. */
export const on: Kit["on"] = (event, listener) => defaultKit().on(event, listener);

/** Stops listening to the default kit. */
export const off: Kit["off"] = (event, listener) => defaultKit().off(event, listener);
