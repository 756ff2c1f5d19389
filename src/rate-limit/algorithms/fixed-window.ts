/**
 * The fixed window, counted by rate-limit-redis for those who need exactly its behaviour.
 *
 * Its commands reach Redis through our port: it asks for SCRIPT LOAD once and waits for that promise
 * for ever, so we answer it here, from a SHA computed in this process. Its DECR can create a key
 * without a time to live when it comes late, so the decrement is ours.
 */
import { RedisStore } from "rate-limit-redis";
import type { Connection } from "../../connection/port.ts";
import { type Database, defineScript, type Script } from "../../connection/script.ts";
import {
  type Algorithm,
  type Asked,
  CONTENDED,
  type Decision,
  type Mode,
  type Quota,
} from "./algorithm.ts";

type Reply = [count: number | false, ttl: number];

/** The twin of rate-limit-redis's increment script. */
function hit(database: Database, key: string, window: number): Reply {
  const ttl = database.pttl(key) ?? 0;
  if (ttl <= 0) {
    database.set(key, "1", window);
    return [1, window];
  }
  const count = Number(database.get(key)) + 1;
  database.set(key, String(count), ttl);
  return [count, ttl];
}

/** The twin of rate-limit-redis's read script; -2 is what PTTL answers for no key. */
function look(database: Database, key: string): Reply {
  const count = database.get(key);
  return count === undefined ? [false, -2] : [Number(count), database.pttl(key)!];
}

const decrementScript = defineScript<null>({
  name: "fixed-window-decrement",
  lua: `
local count = tonumber(redis.call('GET', KEYS[1]) or '0')
if count > 1 and redis.call('PTTL', KEYS[1]) > 0 then
  redis.call('DECR', KEYS[1])
else
  redis.call('DEL', KEYS[1])
end
return false
`,
  run: (database, key) => {
    const count = Number(database.get(key) ?? "0");
    if (count > 1) database.set(key, String(count - 1), database.pttl(key)!);
    else database.del(key);
    return null;
  },
  parse: () => null,
});

/** Every script that rate-limit-redis has asked to load, by its SHA. */
const loaded = new Map<string, Script<Reply>>();

function load(lua: string): string {
  const script = defineScript<Reply>({
    name: "rate-limit-redis",
    lua,
    run: (database, key, args) =>
      args.length > 0 ? hit(database, key, Number(args[0])) : look(database, key),
    // Lua's false arrives as null, of which rate-limit-redis would make NaN.
    parse: (raw) => {
      const [count, ttl] = raw as [number | null, number];
      return [count ?? false, ttl];
    },
  });
  loaded.set(script.sha, script);
  return script.sha;
}

/** rate-limit-redis's `sendCommand`, over the port. */
function sendCommandOver(on: Connection) {
  return async (...command: string[]): Promise<string | (string | number)[]> => {
    const [name, first = "", , key = "", ...args] = command;
    if (name === "SCRIPT") return load(command[2]!);
    if (name === "EVALSHA") return (await on.run(loaded.get(first)!, key, args)) as number[];
    throw new Error(
      `rate-limit-redis sent ${name}, which this version of it was not known to send.`,
    );
  };
}

/** One store of rate-limit-redis for each connection and window. */
const stores = new WeakMap<Connection, Map<number, Promise<RedisStore>>>();

function storeOf(on: Connection, window: number): Promise<RedisStore> {
  const byWindow = stores.get(on) ?? new Map<number, Promise<RedisStore>>();
  stores.set(on, byWindow);
  const known = byWindow.get(window);
  if (known) return known;
  const store = new RedisStore({ sendCommand: sendCommandOver(on), prefix: "" });
  const ready = store
    .init({ windowMs: window } as Parameters<RedisStore["init"]>[0])
    .then(() => store);
  byWindow.set(window, ready);
  return ready;
}

/** No request counts so far: a key that stands here was put there by `block`. */
const BLOCKED = 2 ** 52;
/** Decrements that come late leave it a little less. */
const LEAST_BLOCKED = 2 ** 51;

/** Arguments: the milliseconds for which everything is refused. The count's own window is not cut short. */
const blockScript = defineScript<null>({
  name: "fixed-window-block",
  lua: `
local ttl = math.max(tonumber(ARGV[1]), redis.call('PTTL', KEYS[1]))
redis.call('SET', KEYS[1], '${BLOCKED}', 'PX', ttl)
return false
`,
  run: (database, key, [duration]) => {
    database.set(key, String(BLOCKED), Math.max(Number(duration), database.pttl(key) ?? 0));
    return null;
  },
  parse: () => null,
});

/**
 * Requests of this process that are held on a key. rate-limit-redis does not tell them from counted
 * ones, and what other processes hold is not known.
 */
const heldKeys = new WeakMap<Connection, Map<string, number>>();

function held(on: Connection, key: string, change: -1 | 0 | 1): number {
  const keys = heldKeys.get(on) ?? new Map<string, number>();
  heldKeys.set(on, keys);
  const count = (keys.get(key) ?? 0) + change;
  if (count > 0) keys.set(key, count);
  else keys.delete(key);
  return count;
}

function decide(count: number, ttl: number, quota: Quota, now: number, mode: Mode): Decision {
  const reset = ttl > 0 ? ttl : quota.window;
  const admitted = mode === "look" ? count < quota.limit : count <= quota.limit;
  const isBlocked = count >= LEAST_BLOCKED;
  return {
    admitted,
    blockedFor: isBlocked ? reset : 0,
    contended: false,
    standings: [
      {
        used: isBlocked ? quota.limit : count,
        remaining: Math.max(0, quota.limit - count),
        reset,
        retryAfter: admitted ? 0 : reset,
        token: now + reset,
      },
    ],
  };
}

/** What a refused request is told that only held ones stand in the way of. */
function contended(decision: Decision): Decision {
  const standings = decision.standings.map((standing) => ({
    ...standing,
    retryAfter: Math.min(CONTENDED, standing.retryAfter),
  }));
  return { ...decision, contended: true, standings };
}

async function increment(on: Connection, { key, quotas }: Asked, mode: Mode): Promise<Decision> {
  const quota = quotas[0]!;
  const store = await storeOf(on, quota.window);
  const info = mode === "look" ? await store.get(key) : await store.increment(key);
  const now = Date.now();
  return decide(info?.totalHits ?? 0, (info?.resetTime?.getTime() ?? 0) - now, quota, now, mode);
}

/** rate-limit-redis's window: it begins with the first request and counts refused ones too. */
export const fixedWindow: Algorithm = {
  take: async (on, asked, mode) => {
    const decision = await increment(on, asked, mode);
    if (mode !== "hold" || decision.blockedFor > 0) return decision;
    if (decision.admitted) {
      held(on, asked.key, 1);
      return decision;
    }
    // Otherwise what is held could never be given back down to the limit.
    await on.run(decrementScript, asked.key, []);
    return held(on, asked.key, 0) > 0 ? contended(decision) : decision;
  },
  settle: async (on, { key }, { standings }, outcome) => {
    if (outcome !== "undo") held(on, key, -1);
    if (outcome === "count") return;
    // After the window's end the key counts other requests.
    if (Date.now() < standings[0]!.token) await on.run(decrementScript, key, []);
  },
  block: async (on, key, duration) => {
    await on.run(blockScript, key, [duration]);
  },
};
