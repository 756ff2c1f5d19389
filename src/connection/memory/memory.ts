/** The port over this process's memory: the development default, and what limits count on while Redis is away. */
import { bytesOf, createDatabase, type MemoryDatabase } from "./database.ts";
import { createMemoryPush } from "./push.ts";
import { kitClosed } from "../diagnosis.ts";
import type { Connection, ConnectionState } from "../port.ts";

/** Options of {@link createMemory}. */
export interface MemoryOptions {
  /** The most keys that are held; beyond it the least recently used goes. Default: 100 000. */
  max?: number;
  /** The clock, in milliseconds. Default: `Date.now`. */
  now?: () => number;
}

const STATE: Omit<ConnectionState, "state"> = {
  kind: "memory",
  target: "memory",
  tls: false,
  problem: undefined,
  unguaranteed: [],
};

/** Redis hands out bytes, not references. */
function copyOf(bytes: Buffer | undefined): Buffer | null {
  return bytes === undefined ? null : Buffer.from(bytes);
}

/** Makes a connection to nowhere. */
export function createMemory(options: MemoryOptions = {}): Connection {
  const entries = createDatabase(options.max ?? 100_000, options.now ?? Date.now);
  let closed = false;
  const open = (): MemoryDatabase => {
    if (closed) throw kitClosed();
    return entries;
  };
  const push = createMemoryPush(open);

  async function* scan(prefix: string): AsyncIterable<string[]> {
    const keys = [...open().keys()].filter((key) => key.startsWith(prefix));
    if (keys.length > 0) yield keys;
  }
  return {
    get: async (key) => open().get(key) ?? null,
    getBytes: async (key) => copyOf(open().getBytes(key)),
    mgetBytes: async (keys) => {
      const database = open();
      return keys.map((key) => {
        const value = database.find(key);
        return value instanceof Set ? null : copyOf(bytesOf(value));
      });
    },
    set: async (key, value, { ttl, condition }) => {
      const exists = open().find(key) !== undefined;
      if (condition !== undefined && exists !== (condition === "XX")) return false;
      open().set(key, value, ttl);
      return true;
    },
    del: async (key) => open().del(key),
    pexpire: async (key, ttl) => open().pexpire(key, ttl),
    pttl: async (key) => open().pttl(key),
    smembers: async (key) => open().smembers(key),
    sismember: async (key, member) => open().setAt(key).has(member),
    scard: async (key) => open().setAt(key).size,
    srem: async (key, member) => {
      const members = open().setAt(key);
      const isRemoved = members.delete(member);
      if (members.size === 0) open().del(key);
      return isRemoved;
    },
    scan,
    run: async (script, key, args) => script.run(open(), key, args),
    isTextOnly: () => false,
    push,
    ping: async () => void open(),
    ready: async () => void open(),
    close: async () => {
      closed = true;
      entries.clear();
      push.close();
    },
    state: () => ({ ...STATE, state: closed ? "closed" : "ready" }),
  };
}
