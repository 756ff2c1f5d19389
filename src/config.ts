/** Options and environment become one frozen, checked Config, or a KitError that teaches. */
import { KitError } from "./errors.ts";
import { createKeys } from "./keys.ts";
import { parseRedisOptions, type RedisOptions } from "./config/redis-options.ts";
import type { Target } from "./config/redis-target.ts";
import { parseRedisUrl } from "./config/redis-url.ts";
import { judgeTls } from "./config/tls-policy.ts";
import { readTlsSettings, type TlsSettings } from "./config/tls-settings.ts";
import { compileTrust, type Trust, type TrustProxy } from "./config/trust-proxy.ts";
import {
  checkOptions,
  type Duration,
  invalidOption,
  LONGEST_TIMER,
  parseDuration,
  parseSecrets,
  show,
} from "./validate.ts";

/** Where log lines go. `console` is one. */
export interface Logger {
  /** What was chosen at the start. */
  info(message: string): void;
  /** What a developer should change. */
  warn(message: string): void;
  /** What an operator should look at. */
  error(message: string): void;
}

/** Whose responses a cache shares; see `cache()`. */
export type DefaultScope = "public" | "user";

/** Defaults for every `cache()` of a kit. */
export interface CacheDefaults {
  /** As in `cache()`. Default: only requests that carry nothing personal share. */
  scope?: DefaultScope;
}

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
  cache?: CacheDefaults;
  /** Default: `console`. */
  logger?: Logger;
}

/** The `source` of a configuration that nobody made. */
export const NOTHING = "nothing configured";

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
  const redis = parseRedisOptions(options.redis);
  const { target, source } = targetOf(options, redis, env, environment);
  const tls = readTlsSettings(redis, (name) => variable(env, name), target);
  createKeys(options.namespace ?? "");
  const question = {
    target,
    tls,
    allowPlaintext: hostList(
      "allowPlaintext",
      options.allowPlaintext,
      "REDIS_ALLOW_PLAINTEXT",
      env["REDIS_ALLOW_PLAINTEXT"],
    ),
    allowUnverifiedTls: hostList("allowUnverifiedTls", options.allowUnverifiedTls),
    nodeTlsRejectUnauthorized: env["NODE_TLS_REJECT_UNAUTHORIZED"],
  };
  const warnings = environment === "production" ? judgeTls(question) : [];
  return Object.freeze({
    environment,
    target,
    source,
    tls,
    verifyTls: tls.rejectUnauthorized !== false && env["NODE_TLS_REJECT_UNAUTHORIZED"] !== "0",
    namespace: options.namespace ?? "",
    deadline: parseDuration(
      "deadline",
      options.deadline ?? (target.kind === "rest" ? 1000 : 250),
      LONGEST_TIMER,
    ),
    connectDeadline: parseDuration(
      "connectDeadline",
      options.connectDeadline ?? 3000,
      LONGEST_TIMER,
    ),
    trust: compileTrust(options.trustProxy),
    secrets: secretsOf(options.secret, variable(env, "SESSION_SECRET")),
    cacheScope: scopeOf(options.cache?.scope),
    quiet: isYes(env, "SKIP_REDIS_WARNING") || (environment === "test" && target.kind === "memory"),
    warnings: Object.freeze(warnings),
    logger: loggerOf(options.logger),
  });
}

function environmentOf(env: Env): Config["environment"] {
  const name = variable(env, "NODE_ENV");
  if (name === "production" || name === "test") return name;
  if (name === undefined || !/^prod(uction)?$/i.test(name)) return "development";
  throw new KitError("INVALID_ENVIRONMENT", {
    message: `NODE_ENV is '${name}', which Node's packages take for development.`,
    fix: "Set NODE_ENV=production, in lower case.",
  });
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
  redis: RedisOptions,
  env: Env,
  environment: Config["environment"],
): { target: Target; source: string } {
  if (redis.url !== undefined) {
    const target = parseRedisUrl(redis.url, "The option `redis`", redis.token);
    return { target, source: "options" };
  }
  const configured = options.redis === false ? undefined : targetOfEnvironment(env, redis.token);
  if (configured) return configured;
  if (environment !== "production")
    return { target: { kind: "memory" }, source: options.redis === false ? "options" : NOTHING };
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

/** A switch, a pattern or a URL in the place of a host. */
const NOT_A_HOST = /^(|true|false|yes|no|on|off|1|0)$|[*/@\s]/i;

function isHost(host: unknown): host is string {
  return typeof host === "string" && !NOT_A_HOST.test(host);
}

/** Hosts from an option, or from a comma-separated variable. */
function hostList(option: string, given: unknown, name?: string, text = ""): readonly string[] {
  const isGiven = given !== undefined || name === undefined;
  const hosts: unknown = isGiven ? (given ?? []) : text.split(",").map((host) => host.trim());
  if (!Array.isArray(hosts)) {
    throw invalidOption(option, given, "an array of host names, such as ['redis.internal']");
  }
  const named = isGiven ? hosts : hosts.filter(Boolean);
  if (named.every(isHost)) return named.map((host) => host.toLowerCase());
  const bad: unknown = named.find((host) => !isHost(host));
  const expected = "exact host names: the exception is per host, never a switch or a pattern";
  if (isGiven) throw invalidOption(option, bad, expected);
  throw new KitError("INVALID_ENVIRONMENT", {
    message: `${name} holds ${show(bad)}, but must hold ${expected}.`,
    fix: `Set ${name} to the host as it stands in the URL, such as redis.internal.`,
  });
}

function secretsOf(option: unknown, text: string | undefined): readonly string[] | undefined {
  if (option !== undefined) return parseSecrets("secret", option);
  if (text === undefined) return undefined;
  const secrets = text.split(",").map((secret) => secret.trim());
  if (secrets.every(Boolean)) return Object.freeze(secrets);
  throw new KitError("INVALID_ENVIRONMENT", {
    message: "SESSION_SECRET holds an empty secret between its commas.",
    fix: "Write secrets with one comma between; the first signs, all verify.",
  });
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
