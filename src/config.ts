/** Options and environment become one frozen, checked Config, or a KitError that teaches. */
import { KitError } from "./errors.ts";
import { createKeys } from "./keys.ts";
import { parseRedisOptions, type RedisOptions } from "./config/redis-options.ts";
import { isRest, type Target } from "./config/redis-target.ts";
import type { CredentialsProvider } from "./config/credentials.ts";
import {
  type CacheDefaults,
  type CacheSettings,
  parseCacheDefaults,
} from "./config/cache-defaults.ts";
import { checkBesideClient, type GivenClient } from "./config/given-client.ts";
import { chooseTarget, type Env, variable } from "./config/choose-target.ts";
import { hostPolicy, type HostPolicy, judgeTls } from "./config/tls-policy.ts";
import { readTlsSettings, type TlsSettings } from "./config/tls-settings.ts";
import { compileTrust, type Trust, type TrustProxy } from "./config/trust-proxy.ts";
import {
  checkOptions,
  type Duration,
  invalidOption,
  LONGEST_TIMER,
  parseDuration,
  parseFunction,
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

/** Options of `createKit()`; each wins over the environment. */
export interface KitOptions {
  /**
   * A URL as in `REDIS_URL`, its parts, or `false` for memory (never in production). Or a client that
   * the application already has: an ioredis `Redis` or `Cluster`, a node-redis client or cluster
   * (version 5 or later), an @upstash/redis `Redis`. It is used, and never configured or closed.
   */
  redis?: string | false | RedisOptions | GivenClient;
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
  /**
   * For functions that are paused between requests: the platform's own `waitUntil`, as Vercel and others
   * offer it. The kit then closes its connection `idleTimeout` after the last command, holds the function
   * awake until that is done, and opens it again with the next command. Default: the connection stays.
   */
  waitUntil?: (work: Promise<unknown>) => void;
  /** Closes the connection this long after the last command. Default: `'5s'` with `waitUntil`, else never. */
  idleTimeout?: Duration;
  /** Whose X-Forwarded headers are believed where Express does not say it (plain connect, node:http). Default: nobody's. */
  trustProxy?: TrustProxy;
  /** Signs session cookies; the first signs, all verify. As `SESSION_SECRET`. */
  secret?: string | readonly string[];
  /** Defaults for every `cache()` of the kit. */
  cache?: CacheDefaults;
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
  /** What holds for hosts that the configuration does not name. */
  readonly hosts: HostPolicy;
  readonly namespace: string;
  readonly deadline: number;
  readonly connectDeadline: number;
  readonly credentials: CredentialsProvider | undefined;
  /** Who the kit is to the Sentinels themselves. */
  readonly sentinelAuth: { username: string | undefined; password: string | undefined };
  /** Milliseconds between renewals of live connections. */
  readonly refresh: number | undefined;
  readonly waitUntil: KitOptions["waitUntil"];
  /** Milliseconds after the last command. */
  readonly idleTimeout: number | undefined;
  /** Decides whether the hop at this address is a trusted proxy. */
  readonly trust: Trust;
  readonly secrets: readonly string[] | undefined;
  /** What holds for every `cache()`. */
  readonly cache: CacheSettings;
  /** Development warnings are not wanted. */
  readonly quiet: boolean;
  readonly warnings: readonly string[];
  readonly logger: Logger;
}

const OPTIONS: readonly (keyof KitOptions)[] = [
  "redis",
  "namespace",
  "deadline",
  "connectDeadline",
  "waitUntil",
  "idleTimeout",
  "allowPlaintext",
  "allowUnverifiedTls",
  "trustProxy",
  "secret",
  "cache",
  "logger",
];

/**
 * Resolves options and environment.
 *
 * @throws KitError for everything that is wrong, unknown or refused; see section "Configuration" of the README.
 */
export function resolveConfig(options: KitOptions = {}, env: Env = process.env): Config {
  checkOptions("createKit()", options, OPTIONS);
  const environment = environmentOf(env);
  const redis = parseRedisOptions(options.redis);
  const { target, source } = chooseTarget(
    options.redis === false,
    redis,
    env,
    environment !== "production",
  );
  if (target.kind === "client") checkBesideClient(options);
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
    hosts: hostPolicy(question, environment === "production"),
    namespace: options.namespace ?? "",
    deadline: parseDuration(
      "deadline",
      options.deadline ?? (isRest(target) ? 1000 : 250),
      LONGEST_TIMER,
    ),
    connectDeadline: parseDuration(
      "connectDeadline",
      options.connectDeadline ?? 3000,
      LONGEST_TIMER,
    ),
    credentials: redis.credentials,
    sentinelAuth: { username: redis.sentinelUsername, password: redis.sentinelPassword },
    refresh:
      redis.refresh === undefined
        ? undefined
        : parseDuration("redis.refresh", redis.refresh, LONGEST_TIMER),
    ...idlingOf(options),
    trust: compileTrust(options.trustProxy),
    secrets: secretsOf(options.secret, variable(env, "SESSION_SECRET")),
    cache: parseCacheDefaults(options.cache),
    quiet: isYes(env, "SKIP_REDIS_WARNING") || (environment === "test" && target.kind === "memory"),
    warnings: Object.freeze(warnings),
    logger: loggerOf(options.logger),
  });
}

function idlingOf({
  waitUntil,
  idleTimeout,
}: KitOptions): Pick<Config, "waitUntil" | "idleTimeout"> {
  parseFunction("waitUntil", waitUntil);
  const after = idleTimeout ?? (waitUntil && "5s");
  return {
    waitUntil,
    idleTimeout:
      after === undefined ? undefined : parseDuration("idleTimeout", after, LONGEST_TIMER),
  };
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

function loggerOf(value: unknown): Logger {
  const logger = (value ?? console) as Logger;
  if (
    ["info", "warn", "error"].every((level) => typeof logger[level as keyof Logger] === "function")
  )
    return logger;
  throw invalidOption("logger", value, "an object with the functions info, warn and error");
}
