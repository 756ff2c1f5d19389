/** Options and environment become one frozen, checked Config, or a KitError that teaches. */
import { readFileSync } from "node:fs";
import proxyAddr from "proxy-addr";
import { KitError } from "./errors.ts";
import { createKeys } from "./keys.ts";
import { parseRedisUrl, type Target } from "./redis-url.ts";
import { judgeTls, type TlsSettings } from "./tls-policy.ts";
import {
  checkOptions,
  type Duration,
  invalidOption,
  parseDuration,
  parseNames,
} from "./validate.ts";

/** Where log lines go. `console` is one. */
export interface Logger {
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}

/** How Redis is reached, where a URL alone does not say it. */
export interface RedisOptions {
  /** As `REDIS_URL`. */
  url?: string;
  /** The password where the URL holds none; the bearer token of an `https:` URL. */
  token?: string;
  /** The certificate authority: PEM text or the path of a file. Default: Node's own list. */
  ca?: string;
  /** The client's certificate for mutual TLS: PEM text or the path of a file. */
  cert?: string;
  /** The key of `cert`: PEM text or the path of a file. */
  key?: string;
  /** The name that the server's certificate must carry. Default: the host. */
  servername?: string;
  /** `false` is refused in production unless `allowUnverifiedTls` names the host. */
  rejectUnauthorized?: boolean;
  /** Refused in production unless `allowUnverifiedTls` names the host. */
  checkServerIdentity?: (hostname: string, certificate: object) => Error | undefined;
}

/** Express's `trust proxy` syntax. */
export type TrustProxy =
  | boolean
  | number
  | string
  | readonly string[]
  | ((address: string, hop: number) => boolean);

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
  readonly trust: (address: string, hop: number) => boolean;
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
  const tls = tlsOf(options, env, target);
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

function tlsOf(options: KitOptions, env: Env, target: Target): TlsSettings {
  const given: RedisOptions = typeof options.redis === "object" ? options.redis : {};
  const fromEnv = (name: string) => (target.kind === "memory" ? undefined : variable(env, name));
  const settings: TlsSettings = Object.freeze({
    ca: pem("REDIS_CA", given.ca ?? fromEnv("REDIS_CA")),
    cert: pem("REDIS_CERT", given.cert ?? fromEnv("REDIS_CERT")),
    key: pem("REDIS_KEY", given.key ?? fromEnv("REDIS_KEY")),
    servername: given.servername ?? fromEnv("REDIS_SERVERNAME"),
    rejectUnauthorized: given.rejectUnauthorized,
    checkServerIdentity: given.checkServerIdentity,
  });
  if ((settings.cert === undefined) !== (settings.key === undefined)) {
    throw new KitError("INVALID_ENVIRONMENT", {
      message: "A client certificate needs both its certificate and its key.",
      fix: "Set REDIS_CERT and REDIS_KEY together.",
    });
  }
  const wanted = settings.ca ?? settings.cert ?? settings.servername;
  if (wanted !== undefined && "tls" in target && !target.tls) {
    throw new KitError("INVALID_REDIS_URL", {
      message:
        "TLS settings are given (REDIS_CA, REDIS_CERT or REDIS_SERVERNAME), but the URL asks for no TLS.",
      fix:
        target.kind === "unix"
          ? "Remove them: a unix socket needs no TLS."
          : "Write rediss:// instead of redis://.",
    });
  }
  return settings;
}

/** PEM text as it is (with `\n` written out, as some dashboards store it), else the file of that name. */
function pem(name: string, value: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  if (value.includes("-----BEGIN")) return value.replaceAll("\\n", "\n");
  try {
    const text = readFileSync(value, "utf8");
    if (text.includes("-----BEGIN")) return text;
  } catch (cause) {
    throw new KitError("INVALID_ENVIRONMENT", {
      message: `${name} is neither PEM text nor the path of a readable file.`,
      fix: `Set ${name} to the PEM text itself ("-----BEGIN …") or to a file's path.`,
      cause,
    });
  }
  throw new KitError("INVALID_ENVIRONMENT", {
    message: `The file that ${name} names holds no PEM text.`,
    fix: 'Convert it to PEM ("-----BEGIN …").',
  });
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

/** One secret or several; the first signs, all verify. */
export function parseSecrets(name: string, value: unknown): readonly string[] {
  const secrets = Array.isArray(value) ? value : [value];
  if (
    secrets.length > 0 &&
    secrets.every((secret) => typeof secret === "string" && secret !== "")
  ) {
    return Object.freeze(secrets as string[]);
  }
  throw new KitError("INVALID_OPTION", {
    message: `\`${name}\` must be a non-empty string, or an array of them.`,
    fix: "Make one with `openssl rand -base64 32`, and put new ones first.",
  });
}

function scopeOf(value: unknown): DefaultScope | undefined {
  if (value === undefined || value === "public" || value === "user") return value;
  throw invalidOption("cache.scope", value, "'public' or 'user'");
}

function compileTrust(value: unknown): Config["trust"] {
  if (value === undefined || value === false) return () => false;
  if (value === true) return () => true;
  if (typeof value === "function") return value as Config["trust"];
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0)
    return (_address, hop) => hop < value;
  try {
    return proxyAddr.compile(
      typeof value === "string" ? value.split(/\s*,\s*/) : (value as string[]),
    );
  } catch {
    throw invalidOption(
      "trustProxy",
      value,
      "what Express's `trust proxy` takes: true, a number of hops, or addresses such as 'loopback, 10.0.0.0/8'",
    );
  }
}

function loggerOf(value: unknown): Logger {
  const logger = (value ?? console) as Logger;
  if (
    ["info", "warn", "error"].every((level) => typeof logger[level as keyof Logger] === "function")
  )
    return logger;
  throw invalidOption("logger", value, "an object with the functions info, warn and error");
}
