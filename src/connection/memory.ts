/** The port over this process's memory: the development default, and what limits count on while Redis is away. */
import { createDatabase, textOf } from "./database.ts";
import type { Connection, ConnectionState } from "./port.ts";

/** Options of {@link createMemory}. */
export interface MemoryOptions {
  /** The most keys that are held; beyond it the least recently used goes. Default: 100 000. */
  max?: number;
  /** The clock, in milliseconds. Default: `Date.now`. */
  now?: () => number;
}

/** Makes a connection to nowhere. */
export function createMemory(options: MemoryOptions = {}): Connection {
  const database = createDatabase(options.max ?? 100_000, options.now ?? Date.now);
  let closed = false;

  async function* scan(prefix: string): AsyncIterable<string[]> {
    const keys = [...database.keys()].filter((key) => key.startsWith(prefix));
    if (keys.length > 0) yield keys;
  }
  const state = (): ConnectionState => ({
    kind: "memory",
    state: closed ? "closed" : "ready",
    target: "memory",
    tls: false,
    problem: undefined,
  });
  return {
    get: async (key) => database.get(key) ?? null,
    getBytes: async (key) => {
      const value = database.find(key);
      if (value === undefined) return null;
      return Buffer.isBuffer(value) ? value : Buffer.from(textOf(value)!);
    },
    set: async (key, value, { ttl, condition }) => {
      const exists = database.find(key) !== undefined;
      if (condition !== undefined && exists !== (condition === "XX")) return false;
      database.put(key, value, ttl);
      return true;
    },
    del: async (key) => database.del(key),
    pexpire: async (key, ttl) => database.pexpire(key, ttl),
    sismember: async (key, member) => database.setAt(key).has(member),
    scard: async (key) => database.setAt(key).size,
    srem: async (key, member) => {
      const members = database.setAt(key);
      const isRemoved = members.delete(member);
      if (members.size === 0) database.del(key);
      return isRemoved;
    },
    scan,
    run: async (script, key, args) => script.run(database, key, args),
    ping: async () => {},
    ready: async () => {},
    close: async () => {
      closed = true;
      database.clear();
    },
    state,
  };
}
