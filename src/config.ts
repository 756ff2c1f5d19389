/** Options and environment become one frozen, checked Config, or a KitError that teaches. */
import { KitError } from "./errors.ts";
import { createKeys } from "./keys.ts";
import { parseRedisUrl, type Target } from "./redis-url.ts";
import { judgeTls } from "./tls-policy.ts";
import { readTlsSettings, type RedisOptions, type TlsSettings } from "./tls-settings.ts";
import { compileTrust, type Trust, type TrustProxy } from "./trust-proxy.ts";
import {
  checkOptions,
  type Duration,
  invalidOption,
  parseDuration,
  parseNames,
  parseSecrets,
} from "./validate.ts";

/** Where log lines go. `console` is one. */
export interface Logger {
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}

/** Whose responses a cache shares; see `cache()`. */
export type DefaultScope = "public" | "user";

/** Options of `createKit()`; each wins over the environment. */
export interface KitOptions {
  /** A URL as in `REDIS_URL`, its parts, or `false` for memory (never in production). */
  redis?: string | false | RedisOptions;
  /** Put before all keys, with a colon. Default: none. */
  namespace?: string;
  /** The longest that a command may take, queueing included. Default: 250 ms, 1 s over REST. */
  deadline?: Duration;
  /** Replaces `deadline` until the connection has been ready once. Default: 3 s. */
  connectDeadline?: Duration;
  /** Hosts that production may reach without TLS. As `REDIS_ALLOW_PLAINTEXT`. */
  allowPlaintext?: readonly string[];
  /** Hosts whose certificate production need not verify. */
  allowUnverifiedTls?: readonly string[];
  /** Whose X-Forwarded headers are believed where Express does not say it (plain connect, node:http). Default: nobody's. */
  trustProxy?: TrustProxy;
  /** Signs session cookies; the first signs, all verify. As `SESSION_SECRET`. */
  secret?: string | readonly string[];
  /** Defaults for every `cache()` of the kit. */
  cache?: { scope?: DefaultScope };
  /** Default: `console`. */
  logger?: Logger;
}

/** What the kit runs on. */
export interface Config {
  readonly environment: "production" | "test" | "development";
  readonly target: Target;
  readonly source: string;
  readonly tls: TlsSettings;
  /** Whether the server's certificate is verified. */
  readonly verifyTls: boolean;
  readonly namespace: string;
  readonly deadline: number;
  readonly connectDeadline: number;
  /** Decides whether the hop at this address is a trusted proxy. */
  readonly trust: Trust;
  readonly secrets: readonly string[] | undefined;
  readonly cacheScope: DefaultScope | undefined;
  /** Development warnings are not wanted. */
  readonly quiet: boolean;
  readonly warnings: readonly string[];
  readonly logger: Logger;
}

type Env = Readonly<Record<string, string | undefined>>;

const OPTIONS: readonly (keyof KitOptions)[] = [
  "redis",
  "namespace",
  "deadline",
  "connectDeadline",
  "allowPlaintext",
  "allowUnverifiedTls",
  "trustProxy",
  "secret",
  "cache",
  "logger",
];
const REDIS_OPTIONS: readonly (keyof RedisOptions)[] = [
  "url",
  "token",
  "ca",
  "cert",
  "key",
  "servername",
  "rejectUnauthorized",
  "checkServerIdentity",
];

/** Reads a variable; one that is set but blank counts as not set. */
function variable(env: Env, name: string): string | undefined {
  return env[name]?.trim() || undefined;
}

/**
 * Resolves options and environment.
 *
 * @throws KitError for everything that is wrong, unknown or refused; see section "Configuration" of the README.
 */
export function resolveConfig(options: KitOptions = {}, env: Env = process.env): Config {
  checkOptions("createKit()", options, OPTIONS);
  checkOptions("createKit().cache", options.cache ?? {}, ["scope"]);
  const environment = environmentOf(env);
  const { target, source } = targetOf(options, env, environment);
  const given = typeof options.redis === "object" ? options.redis : {};
  const tls = readTlsSettings(given, (name) => variable(env, name), target);
  createKeys(options.namespace ?? "");
  const warnings =
    environment === "production"
      ? judgeTls({
          target,
          tls,
          allowPlaintext: hostList(
            "allowPlaintext",
            options.allowPlaintext,
            variable(env, "REDIS_ALLOW_PLAINTEXT"),
          ),
          allowUnverifiedTls: hostList("allowUnverifiedTls", options.allowUnverifiedTls),
          nodeTlsRejectUnauthorized: env["NODE_TLS_REJECT_UNAUTHORIZED"],
        })
      : [];
  return Object.freeze({
    environment,
    target,
    source,
    tls,
    verifyTls: tls.rejectUnauthorized !== false && env["NODE_TLS_REJECT_UNAUTHORIZED"] !== "0",
    namespace: options.namespace ?? "",
    deadline: parseDuration("deadline", options.deadline ?? (target.kind === "rest" ? 1000 : 250)),
    connectDeadline: parseDuration("connectDeadline", options.connectDeadline ?? 3000),
    trust: compileTrust(options.trustProxy),
    secrets: secretsOf(options.secret, variable(env, "SESSION_SECRET")),
    cacheScope: scopeOf(options.cache?.scope),
    quiet: environment === "test" || isYes(env, "SKIP_REDIS_WARNING"),
    warnings: Object.freeze(warnings),
    logger: loggerOf(options.logger),
  });
}

function environmentOf(env: Env): Config["environment"] {
  const name = variable(env, "NODE_ENV");
  return name === "production" || name === "test" ? name : "development";
}

function isYes(env: Env, name: string): boolean {
  const value = variable(env, name)?.toLowerCase();
  if (value === undefined || value === "false" || value === "0") return false;
  if (value === "true" || value === "1") return true;
  throw new KitError("INVALID_ENVIRONMENT", {
    message: `${name} is set, but to neither true nor false.`,
    fix: `Set ${name}=true, or remove it.`,
  });
}

/** Options, then Upstash, then `REDIS_URL`, then nothing. */
function targetOf(
  options: KitOptions,
  env: Env,
  environment: Config["environment"],
): { target: Target; source: string } {
  if (options.redis !== undefined && options.redis !== false) {
    const redis = typeof options.redis === "string" ? { url: options.redis } : options.redis;
    checkOptions("createKit().redis", redis, REDIS_OPTIONS);
    if (redis.url !== undefined) {
      if (typeof redis.url !== "string")
        throw invalidOption("redis.url", redis.url, "a URL as text");
      return {
        target: parseRedisUrl(redis.url, "The option `redis`", redis.token),
        source: "options",
      };
    }
  }
  const given = typeof options.redis === "object" ? options.redis.token : undefined;
  const configured = options.redis === false ? undefined : targetOfEnvironment(env, given);
  if (configured) return configured;
  if (environment !== "production")
    return { target: { kind: "memory" }, source: "nothing configured" };
  throw new KitError("REDIS_NOT_CONFIGURED", {
    message:
      options.redis === false
        ? "`redis: false` asks for memory, which production cannot run on: every instance would count and remember for itself."
        : "No Redis is configured, and production cannot run in memory: every instance would count and remember for itself.",
    fix: "Set REDIS_URL=rediss://…, or UPSTASH_REDIS_REST_URL and UPSTASH_REDIS_REST_TOKEN, or pass createKit({ redis }).",
  });
}

function targetOfEnvironment(
  env: Env,
  givenToken: string | undefined,
): { target: Target; source: string } | undefined {
  for (const prefix of ["UPSTASH_REDIS_REST", "KV_REST_API"]) {
    const url = variable(env, `${prefix}_URL`);
    const token = variable(env, `${prefix}_TOKEN`);
    if (url !== undefined && token !== undefined) {
      return { target: parseRedisUrl(url, `${prefix}_URL`, token), source: `${prefix}_URL` };
    }
    if (url === undefined && token === undefined) continue;
    const missing = `${prefix}_${url === undefined ? "URL" : "TOKEN"}`;
    throw new KitError("INVALID_ENVIRONMENT", {
      message: `${missing} is missing, while its other half is set.`,
      fix: `Set ${missing} too, or remove the other.`,
    });
  }
  const url = variable(env, "REDIS_URL");
  if (url === undefined) return undefined;
  return {
    target: parseRedisUrl(url, "REDIS_URL", givenToken ?? variable(env, "REDIS_TOKEN")),
    source: "REDIS_URL",
  };
}

function hostList(name: string, option: unknown, fromEnv?: string): readonly string[] {
  const hosts =
    option === undefined
      ? (fromEnv ?? "")
          .split(",")
          .map((host) => host.trim())
          .filter(Boolean)
      : option;
  if (!Array.isArray(hosts))
    throw invalidOption(name, option, "an array of host names, such as ['redis.internal']");
  const bad = hosts.find(
    (host) => typeof host !== "string" || /^(true|false|yes|no|1|0|\*)$|[*/@]/i.test(host),
  );
  if (bad !== undefined) {
    throw invalidOption(
      name,
      bad,
      "exact host names: the exception is per host, never a switch or a pattern",
    );
  }
  return parseNames(name, hosts).map((host) => host.toLowerCase());
}

function secretsOf(option: unknown, fromEnv: string | undefined): readonly string[] | undefined {
  if (option === undefined && fromEnv === undefined) return undefined;
  const list = option === undefined ? fromEnv!.split(",").map((secret) => secret.trim()) : option;
  return parseSecrets("secret", list);
}

function scopeOf(value: unknown): DefaultScope | undefined {
  if (value === undefined || value === "public" || value === "user") return value;
  throw invalidOption("cache.scope", value, "'public' or 'user'");
}

function loggerOf(value: unknown): Logger {
  const logger = (value ?? console) as Logger;
  if (
    ["info", "warn", "error"].every((level) => typeof logger[level as keyof Logger] === "function")
  )
    return logger;
  throw invalidOption("logger", value, "an object with the functions info, warn and error");
}
