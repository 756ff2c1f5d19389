/** The option `redis`: a URL, its parts, a client of the application's, or `false` for memory. */
import {
  checkOptions,
  type Duration,
  invalidOption,
  LONGEST_TIMER,
  parseDuration,
  parseFunction,
} from "../validate.ts";
import type { CredentialsProvider } from "./credentials.ts";
import { recogniseClient } from "./given-client.ts";
import type { ClientTarget } from "./redis-target.ts";

/** How Redis is reached, where a URL alone does not say it. */
export interface RedisOptions {
  /** As `REDIS_URL`. */
  url?: string;
  /** The password where the URL holds none; the bearer token of an `https:` URL. */
  token?: string;
  /**
   * In place of a password or token that stands in the configuration: asked on every connect, so that
   * passwords rotate without a restart.
   */
  credentials?: CredentialsProvider;
  /** How often live connections ask `credentials` and authenticate anew. Default: when it calls for it. */
  refresh?: Duration;
  /** The user at the Sentinels themselves. Default: none. */
  sentinelUsername?: string;
  /** The password at the Sentinels themselves; the URL's own is for the servers behind. Default: none. */
  sentinelPassword?: string;
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

const TEXTS = [
  "url",
  "token",
  "sentinelUsername",
  "sentinelPassword",
  "ca",
  "cert",
  "key",
  "servername",
] as const;

/** The option as read: the parts of an address, or a client in place of all of them. */
export interface ParsedRedis extends RedisOptions {
  client?: ClientTarget;
}

/** Checks the option and answers its parts; a URL alone is the part `url`. */
export function parseRedisOptions(value: unknown): ParsedRedis {
  if (value === undefined || value === false) return {};
  if (typeof value === "string") return { url: value };
  if (value === true) {
    throw invalidOption("redis", value, "a URL, its parts, a client, or false for memory");
  }
  const client = recogniseClient(value);
  if (client !== undefined) return { client };
  checkOptions("createKit().redis", value, [
    ...TEXTS,
    "credentials",
    "refresh",
    "rejectUnauthorized",
    "checkServerIdentity",
  ]);
  const options = value as RedisOptions;
  for (const name of TEXTS) {
    const text: unknown = options[name];
    if (text !== undefined && typeof text !== "string")
      throw invalidOption(`redis.${name}`, text, "text");
  }
  const verify: unknown = options.rejectUnauthorized;
  if (verify !== undefined && typeof verify !== "boolean") {
    throw invalidOption("redis.rejectUnauthorized", verify, "true or false");
  }
  parseFunction("redis.checkServerIdentity", options.checkServerIdentity);
  parseFunction("redis.credentials", options.credentials);
  if (options.refresh !== undefined) {
    parseDuration("redis.refresh", options.refresh, LONGEST_TIMER);
    if (options.credentials === undefined) {
      throw invalidOption("redis.refresh", options.refresh, "given together with `credentials`");
    }
  }
  if (options.credentials !== undefined && options.token !== undefined) {
    throw invalidOption("redis.token", options.token, "left out where `credentials` gives it");
  }
  return options;
}
