/**
 * The cache's keys: a resource holds a random token, and each of its variants the token that stood
 * before its handler ran. An entry counts while the two are equal, so deleting one key purges every
 * variant, and a handler that was rendering meanwhile stores what no one will take.
 */
import { randomBytes } from "node:crypto";
import type { Context } from "../context.ts";
import type { Connection } from "../connection/port.ts";
import { defineScript, type Script } from "../connection/script.ts";
import { decodeEntry, encodeEntry, type Entry } from "./entry.ts";

/** How long a handler may render before its resource's token can expire. */
const RENDERING = 60_000;

/** Arguments: a fresh token, TTL. Answers the token that stands, having made it live that long. */
export const tokenScript: Script<string> = defineScript({
  name: "cache-token",
  lua: `
local held = redis.call('GET', KEYS[1])
if not held then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  return ARGV[1]
end
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return held
`,
  run: (database, key, args) => {
    const [fresh, ttl] = [String(args[0]), Number(args[1])];
    const held = database.get(key);
    if (held === undefined) {
      database.set(key, fresh, ttl);
      return fresh;
    }
    if (database.pttl(key)! < ttl) database.pexpire(key, ttl);
    return held;
  },
  parse: (raw) => String(raw),
});

/** Over one connection. */
export interface CacheStore {
  /** The variant's entry, if it is fresh and its resource was not purged since. */
  find(resource: string, variant: string): Promise<Entry | undefined>;
  /** The resource's token, to be asked for before the handler runs. */
  token(resource: string, ttl: number): Promise<string>;
  /** Writes an entry that lives `ttl` milliseconds. */
  put(variant: string, entry: Entry, ttl: number): Promise<void>;
  /** Drops all variants of a resource; answers whether there was anything to drop. */
  purge(resource: string): Promise<boolean>;
}

/** Makes the cache's store. */
export function createCacheStore({ connection }: Pick<Context, "connection">): CacheStore {
  return {
    find: (resource, variant) => find(connection, resource, variant),
    token: (resource, ttl) => {
      const fresh = `${JSON.stringify({ token: randomBytes(12).toString("base64url") })}\n`;
      return connection.run(tokenScript, resource, [fresh, Math.ceil(ttl * 1.1) + RENDERING]);
    },
    put: async (variant, entry, ttl) => {
      await connection.set(variant, encodeEntry(entry), { ttl });
    },
    purge: (resource) => connection.del(resource),
  };
}

async function find(
  connection: Connection,
  resource: string,
  variant: string,
): Promise<Entry | undefined> {
  const [token, bytes] = await Promise.all([
    connection.get(resource),
    connection.getBytes(variant),
  ]);
  const entry = bytes === null ? undefined : decodeEntry(bytes);
  return entry !== undefined && entry.token === token ? entry : undefined;
}
