/** Redis's keys over a Map: values with an expiry, atomic because JavaScript is. */
import { LRUCache } from "lru-cache";
import { commandFailed } from "../diagnosis.ts";
import type { Database } from "../script.ts";

/** Text, bytes or a Set. */
export type Value = string | Buffer | Set<string>;

/** {@link Database} and what else the memory connection needs of it. */
export interface MemoryDatabase extends Database {
  find(key: string): Value | undefined;
  put(key: string, value: Value, ttl: number): void;
  /** The Set at a key; a new, unattached one where there is none. */
  setAt(key: string): Set<string>;
  keys(): Iterable<string>;
  clear(): void;
}

/** As Redis answers a command that does not fit what stands in a key. */
function wrongType(): Error {
  const words = "WRONGTYPE Operation against a key holding the wrong kind of value";
  return commandFailed("the command", new Error(words));
}

/** Redis refuses what is no positive, whole number of milliseconds. */
function checkTtl(ttl: number): void {
  if (Number.isSafeInteger(ttl) && ttl > 0) return;
  throw commandFailed("the command", new Error("ERR invalid expire time"));
}

/** The text of a string value. */
export function textOf(value: Value | undefined): string | undefined {
  if (value instanceof Set) throw wrongType();
  return value?.toString();
}

/** The bytes of a string value; not a copy. */
export function bytesOf(value: Value | undefined): Buffer | undefined {
  if (value instanceof Set) throw wrongType();
  return typeof value === "string" ? Buffer.from(value) : value;
}

/**
 * @param max keys beyond which the least recently used goes
 * @param now the clock, in milliseconds; expiry is read from it, so no timer holds a process open
 */
export function createDatabase(max: number, now: () => number): MemoryDatabase {
  const entries = new LRUCache<string, { value: Value; expires: number }>({ max });
  const find = (key: string): Value | undefined => {
    const entry = entries.get(key);
    if (entry === undefined) return undefined;
    if (entry.expires > now()) return entry.value;
    entries.delete(key);
    return undefined;
  };
  const put = (key: string, value: Value, ttl: number): void => {
    checkTtl(ttl);
    entries.set(key, { value, expires: now() + ttl });
  };
  const setAt = (key: string): Set<string> => {
    const value = find(key) ?? new Set();
    if (!(value instanceof Set)) throw wrongType();
    return value;
  };
  return {
    now,
    find,
    put,
    setAt,
    get: (key) => textOf(find(key)),
    getBytes: (key) => bytesOf(find(key)),
    // A copy, as Redis keeps bytes and not references.
    set: (key, value, ttl) => put(key, Buffer.isBuffer(value) ? Buffer.from(value) : value, ttl),
    del: (key) => find(key) !== undefined && entries.delete(key),
    pttl: (key) => (find(key) === undefined ? undefined : entries.peek(key)!.expires - now()),
    pexpire: (key, ttl) => {
      const value = find(key);
      if (value === undefined) return false;
      if (ttl > 0) put(key, value, ttl);
      else entries.delete(key);
      return true;
    },
    smembers: (key) => [...setAt(key)],
    sput: (key, members, ttl) => {
      if (members.length === 0) entries.delete(key);
      else put(key, new Set(members), ttl);
    },
    keys: () => [...entries.keys()].filter((key) => find(key) !== undefined),
    clear: () => entries.clear(),
  };
}
