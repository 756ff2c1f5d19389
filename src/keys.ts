/** The only maker of Redis key strings: prefixes, escaping, and how a key is read back. */
import { createHash } from "node:crypto";
import { KitError } from "./errors.ts";
import { show } from "./validate.ts";

const LONGEST_VALUE = 200;

/**
 * Makes one key segment of a value that came from outside.
 *
 * The result holds no `:`, `@`, `*`, `?`, `[` or `\` of the input's, so no input can open a new
 * segment, name a variant or act as a glob. Over 200 bytes it becomes `@` + base64url(SHA-256).
 */
export function segment(value: string): string {
  return bounded(escape(value), value);
}

/** As {@link segment}, for the parts that one wildcard matched: joined as they stood in the URL. */
export function wildcardSegment(parts: readonly string[]): string {
  const joined = parts.map(escape).join("/"); // Escaped, no part holds a slash.
  return bounded(joined, joined);
}

function escape(value: string): string {
  return encodeURIComponent(value.toWellFormed()).replaceAll("*", "%2A");
}

function bounded(escaped: string, value: string): string {
  if (escaped.length <= LONGEST_VALUE) return escaped;
  return `@${createHash("sha256").update(value.toWellFormed()).digest("base64url")}`;
}

/** The short name of a variant: 128 bits of a SHA-256 over parts that cannot run into one another. */
export function variantHash(parts: readonly string[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(`${Buffer.byteLength(part)}:`).update(part);
  return hash.digest("base64url").slice(0, 22);
}

/** Every key that one namespace can hold. Made by {@link createKeys}. */
export interface Keys {
  /** `ratelimit:[type]:[identifier]…`: one key per type and identity. */
  rateLimit(type: string, identifiers: readonly string[]): string;
  /** `session:[sessionId]`. */
  session(sessionId: string): string;
  /** The key of a session that another library wrote, exactly as that writes it. */
  foreignSession(prefix: string, sessionId: string): string;
  /** `user:[userId]:sessions`: the Set that fences a user's sessions. */
  userSessions(userId: string): string;
  /** `cache:[key]`: what all variants of one resource share. */
  cache(path: readonly string[]): string;
  /** `cache:[key]:@[hash]`: one variant of it. */
  cacheVariant(resource: string, hash: string): string;
  /** `cache:@tag:[tag]`: what all that carries a tag shares. */
  cacheTag(path: readonly string[]): string;
  /** `cache:@tag:@user:[userId]`: what all that was stored for one user shares. */
  cacheUser(userId: string): string;
  /** `cache:@lock:[key]:@[hash]`: held while one process renders a variant. */
  cacheLock(path: readonly string[], hash: string): string;
  /** The channel on which processes tell one another what was taken back. */
  readonly cacheChannel: string;
  /** What precedes every key of the cache. */
  readonly cachePrefix: string;
  /** What precedes a session id: for connect-redis's `prefix`, and for SCAN. */
  readonly sessionPrefix: string;
}

/**
 * Makes the key builders of a namespace.
 *
 * @param namespace put before all keys with a `:`; `[\w.-]+`, or empty for none.
 * @throws KitError `INVALID_NAMESPACE`
 */
export function createKeys(namespace: string): Keys {
  if (typeof namespace !== "string" || !/^[\w.-]*$/.test(namespace)) {
    throw new KitError("INVALID_NAMESPACE", {
      message: `The namespace ${show(namespace)} may hold letters, digits, \`_\`, \`.\` and \`-\` only.`,
      fix: `Pass a plain word such as 'shop'; the kit adds the colon.`,
    });
  }
  const root = namespace === "" ? "" : `${namespace}:`;
  const sessionPrefix = `${root}session:`;
  const cachePrefix = `${root}cache:`;
  return Object.freeze({
    rateLimit: (type: string, identifiers: readonly string[]) =>
      `${root}ratelimit:${type}:${identifiers.map(segment).join(":")}`,
    session: (sessionId: string) => sessionPrefix + segment(sessionId),
    foreignSession: (prefix: string, sessionId: string) => prefix + sessionId,
    userSessions: (userId: string) => `${root}user:${segment(userId)}:sessions`,
    cache: (path: readonly string[]) => cachePrefix + path.join(":"),
    cacheVariant: (resource: string, hash: string) => `${resource}:@${hash}`,
    cacheTag: (path: readonly string[]) => `${cachePrefix}@tag:${path.join(":")}`,
    cacheUser: (userId: string) => `${cachePrefix}@tag:@user:${segment(userId)}`,
    cacheLock: (path: readonly string[], hash: string) =>
      `${cachePrefix}@lock:${path.join(":")}:@${hash}`,
    cacheChannel: `${cachePrefix}@purged`,
    cachePrefix,
    sessionPrefix,
  });
}

/** One kind of key that a namespace holds, as a listing or an ACL sees it. */
export interface KeyKind {
  readonly name: "ratelimit" | "session" | "user" | "cache";
  /** What its keys begin with. */
  readonly prefix: string;
  /** The glob that fits its keys. */
  readonly pattern: string;
  /** Whether a key is of this kind. */
  holds(key: string): boolean;
  /** A key of this kind. */
  example(id: string): string;
}

/** The kinds of keys of a namespace. */
export function keyKinds(namespace: string): readonly KeyKind[] {
  const root = namespace === "" ? "" : `${namespace}:`;
  const kind = (name: KeyKind["name"], end = ""): KeyKind => ({
    name,
    prefix: `${root}${name}:`,
    pattern: `${root}${name}:*${end}`,
    holds: (key) => key.startsWith(`${root}${name}:`) && key.endsWith(end),
    example: (id) => `${root}${name}:${id}${end}`,
  });
  return [kind("ratelimit"), kind("session"), kind("user", ":sessions"), kind("cache")];
}

/** The namespace that a key of the kit's shape lies in; undefined for a key of any other shape. */
export function namespaceOf(key: string): string | undefined {
  return /^([\w.-]+):(?:ratelimit:.|session:.|cache:.|user:.+:sessions$)/s.exec(key)?.[1];
}
