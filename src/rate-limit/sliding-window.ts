/**
 * The sliding window: two counters, the previous window's weighted by how much of it is still in view.
 *
 * A key holds `start current previous held`: when the current window began, what it and the one
 * before admitted, and how many of those are not decided upon yet. The clock is Redis's own, so the
 * clocks of the app's machines do not matter.
 */
import { type Argument, type Database, defineScript, type Script } from "../connection/script.ts";
import type { Algorithm, Decision, Quota } from "./algorithm.ts";

interface Counters {
  start: number;
  current: number;
  previous: number;
  held: number;
}

const FORMAT = /^(\d+) (\d+) (\d+) (\d+)$/;

function read(database: Database, key: string): Counters | undefined {
  const [, start, current, previous, held] = FORMAT.exec(database.get(key) ?? "") ?? [];
  if (start === undefined) return undefined;
  return {
    start: Number(start),
    current: Number(current),
    previous: Number(previous),
    held: Number(held),
  };
}

function write(database: Database, key: string, counters: Counters, window: number): void {
  const { start, current, previous, held } = counters;
  const ttl = start + 2 * window - database.now();
  if (current + previous === 0 || ttl <= 0) database.del(key);
  else database.set(key, `${start} ${current} ${previous} ${held}`, ttl);
}

/** Reads what a script and its twin both need: the clock, and the counters as Redis text. */
const READ = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local start, current, previous, held
local raw = redis.call('GET', KEYS[1])
if raw then
  start, current, previous, held = string.match(raw, '^(%d+) (%d+) (%d+) (%d+)$')
  start, current, previous, held = tonumber(start), tonumber(current), tonumber(previous), tonumber(held)
end
local function write(window)
  local ttl = start + 2 * window - now
  if current + previous == 0 or ttl <= 0 then
    redis.call('DEL', KEYS[1])
  else
    redis.call('SET', KEYS[1], string.format('%d %d %d %d', start, current, previous, held), 'PX', ttl)
  end
end
`;

/** Arguments: limit, window, cost (0 only looks), hold (1 or 0). */
export const takeScript: Script<Decision> = defineScript<Decision>({
  name: "sliding-window-take",
  lua: `${READ}
local limit, window, cost, hold = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
if not start or now >= start + 2 * window then
  start, current, previous, held = now, 0, 0, 0
elseif now >= start + window then
  start, current, previous, held = start + window, 0, current, 0
end
local passed = math.max(0, now - start)
local used = previous * (window - passed) / window + current
local admitted = used + cost <= limit
local retry = 0
if admitted then
  if cost > 0 then
    current = current + cost
    held = held + hold
    write(window)
  end
  used = used + cost
elseif cost > limit then
  retry = window
elseif current + cost <= limit then
  retry = math.ceil(window * (1 - (limit - cost - current) / previous)) - passed
else
  retry = window - passed + math.max(0, math.ceil(window * (1 - (limit - cost) / current)))
end
if not admitted then
  retry = math.max(1, retry)
  if held > 0 then retry = math.min(1000, retry) end
end
return { admitted and 1 or 0, math.ceil(used), math.max(0, math.floor(limit - used)), start + window - now, retry, start }
`,
  run: (database, key, args) => {
    const [limit, window, cost, hold] = args.map(Number) as [number, number, number, number];
    const now = database.now();
    let counters = read(database, key);
    if (counters === undefined || now >= counters.start + 2 * window) {
      counters = { start: now, current: 0, previous: 0, held: 0 };
    } else if (now >= counters.start + window) {
      const { start, current } = counters;
      counters = { start: start + window, current: 0, previous: current, held: 0 };
    }
    const { start, current, previous, held } = counters;
    const passed = Math.max(0, now - start);
    const used = (previous * (window - passed)) / window + current;
    const admitted = used + cost <= limit;
    if (admitted && cost > 0) {
      write(database, key, { ...counters, current: current + cost, held: held + hold }, window);
    }
    const counted = admitted ? used + cost : used;
    return {
      admitted,
      used: Math.ceil(counted),
      remaining: Math.max(0, Math.floor(limit - counted)),
      reset: start + window - now,
      retryAfter: admitted ? 0 : retryAfter(limit, window, cost, counters, passed),
      token: start,
    };
  },
  parse: (raw) => {
    const [admitted, used, remaining, reset, retry, token] = raw as number[];
    return {
      admitted: admitted === 1,
      used: used!,
      remaining: remaining!,
      reset: reset!,
      retryAfter: retry!,
      token: token!,
    };
  },
});

/** When the weighted count will have sunk far enough; a held request may be given back any moment. */
function retryAfter(
  limit: number,
  window: number,
  cost: number,
  { current, previous, held }: Counters,
  passed: number,
): number {
  let retry: number;
  if (cost > limit) retry = window;
  else if (current + cost <= limit) {
    retry = Math.ceil(window * (1 - (limit - cost - current) / previous)) - passed;
  } else {
    retry = window - passed + Math.max(0, Math.ceil(window * (1 - (limit - cost) / current)));
  }
  retry = Math.max(1, retry);
  return held > 0 ? Math.min(1000, retry) : retry;
}

/** Arguments: window, token, amount to give back (0 keeps), held (1 where the request was held). */
export const settleScript: Script<null> = defineScript<null>({
  name: "sliding-window-settle",
  lua: `${READ}
local window, token, amount, release = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
if not start then return false end
if start == token then
  current = math.max(0, current - amount)
  held = math.max(0, held - release)
elseif start == token + window then
  previous = math.max(0, previous - amount)
else
  return false
end
write(window)
return false
`,
  run: (database, key, args) => {
    const [window, token, amount, release] = args.map(Number) as [number, number, number, number];
    const counters = read(database, key);
    if (counters === undefined) return null;
    if (counters.start === token) {
      counters.current = Math.max(0, counters.current - amount);
      counters.held = Math.max(0, counters.held - release);
    } else if (counters.start === token + window) {
      counters.previous = Math.max(0, counters.previous - amount);
    } else return null;
    write(database, key, counters, window);
    return null;
  },
  parse: () => null,
});

function takeArguments(quota: Quota, cost: number, hold: boolean): Argument[] {
  return [quota.limit, quota.window, cost, hold ? 1 : 0];
}

/** The default: no burst at a window's edge, one key, one script. */
export const slidingWindow: Algorithm = {
  take: (on, key, quota, hold) => on.run(takeScript, key, takeArguments(quota, 1, hold)),
  peek: (on, key, quota) => on.run(takeScript, key, takeArguments(quota, 0, false)),
  settle: async (on, key, quota, token, keep) => {
    await on.run(settleScript, key, [quota.window, token, keep ? 0 : 1, 1]);
  },
  giveBack: async (on, key, quota, token) => {
    await on.run(settleScript, key, [quota.window, token, 1, 0]);
  },
};
