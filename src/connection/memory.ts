/** Redis's commands over a Map: the development default, and what limits count on while Redis is away. */
import { LRUCache } from "lru-cache";
import { commandFailed } from "./diagnosis.ts";
import type { Connection, ConnectionState, SetOptions } from "./port.ts";
import type { Argument, Database, Script } from "./script.ts";

type Value = string | Buffer | Set<string>;

/** Options of {@link createMemory}. */
export interface MemoryOptions {
  /** The most keys that are held; beyond it the least recently used goes. Default: 100 000. */
  max?: number;
  /** The clock, in milliseconds. Default: `Date.now`. */
  now?: () => number;
}

interface Entry {
  value: Value;
  expires: number;
}

/** An in-process database, atomic because JavaScript is, and the {@link Connection} over it. */
export function createMemory(options: MemoryOptions = {}): Connection & { database: Database } {
  const now = options.now ?? Date.now;
  // Expiry is ours and read from `now`, so no timer can hold a process open.
  const entries = new LRUCache<string, Entry>({ max: options.max ?? 100_000 });
  let closed = false;

  const find = (key: string): Value | undefined => {
    const entry = entries.get(key);
    if (entry === undefined) return undefined;
    if (entry.expires > now()) return entry.value;
    entries.delete(key);
    return undefined;
  };
  const put = (key: string, value: Value, ttl: number): void => {
    entries.set(key, { value, expires: now() + ttl });
  };
  const textOf = (value: Value | undefined): string | undefined => {
    if (value instanceof Set) throw wrongType();
    return value?.toString();
  };
  const setOf = (key: string): Set<string> => {
    const value = find(key) ?? new Set();
    if (!(value instanceof Set)) throw wrongType();
    return value;
  };
  const del = (key: string): boolean => find(key) !== undefined && entries.delete(key);
  const pexpire = (key: string, ttl: number): boolean => {
    const value = find(key);
    if (value !== undefined) put(key, value, ttl);
    return value !== undefined;
  };

  const database: Database = {
    now,
    get: (key) => textOf(find(key)),
    set: put,
    del,
    pttl: (key) => (find(key) === undefined ? undefined : entries.peek(key)!.expires - now()),
    pexpire,
    smembers: (key) => [...setOf(key)],
    sput: (key, members, ttl) => {
      if (members.length === 0) entries.delete(key);
      else put(key, new Set(members), ttl);
    },
  };

  async function* scan(prefix: string): AsyncIterable<string[]> {
    const keys = [...entries.keys()].filter(
      (key) => key.startsWith(prefix) && find(key) !== undefined,
    );
    if (keys.length > 0) yield keys;
  }
  const srem = (key: string, member: string): boolean => {
    const members = setOf(key);
    const removed = members.delete(member);
    if (members.size === 0) entries.delete(key);
    return removed;
  };
  const write = (key: string, value: string | Buffer, { ttl, condition }: SetOptions): boolean => {
    if (condition !== undefined && (find(key) !== undefined) !== (condition === "XX")) return false;
    put(key, value, ttl);
    return true;
  };
  const bytes = (key: string): Buffer | null => {
    const value = find(key);
    if (value === undefined) return null;
    return Buffer.isBuffer(value) ? value : Buffer.from(textOf(value)!);
  };

  return {
    database,
    get: async (key) => textOf(find(key)) ?? null,
    getBytes: async (key) => bytes(key),
    set: async (key, value, how) => write(key, value, how),
    del: async (key) => del(key),
    pexpire: async (key, ttl) => pexpire(key, ttl),
    sismember: async (key, member) => setOf(key).has(member),
    scard: async (key) => setOf(key).size,
    srem: async (key, member) => srem(key, member),
    scan,
    run: async <Reply>(script: Script<Reply>, key: string, args: readonly Argument[]) =>
      script.run(database, key, args),
    ping: async () => {},
    ready: async () => {},
    close: async () => {
      closed = true;
      entries.clear();
    },
    state: (): ConnectionState => ({
      kind: "memory",
      state: closed ? "closed" : "ready",
      target: "memory",
      tls: false,
      problem: undefined,
    }),
  };
}

function wrongType(): Error {
  return commandFailed(
    "the command",
    new Error("WRONGTYPE Operation against a key holding the wrong kind of value"),
  );
}
