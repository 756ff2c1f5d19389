/** Who holds a valid session, seen from outside the kit: in one atomic step. */
import type { Redis } from "ioredis";
import type { Connection } from "../../src/connection/port.ts";

/** Counts, of one user's Set, the members whose session is live, and those that have none. */
const COUNT = `
local valid, unstored = 0, 0
for _, id in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  local text = redis.call('GET', 'session:' .. id)
  if not text then
    unstored = unstored + 1
  elseif not cjson.decode(text).ended then
    valid = valid + 1
  end
end
return {valid, unstored}`;

/** What was seen while something went on. */
export interface Sight {
  samples: number;
  /** The most valid sessions at one instant. */
  most: number;
  /** The fewest valid sessions at one instant. */
  fewest: number;
  /** The most members without a session at one instant. */
  unstored: number;
}

/** Looks without a pause, on a connection of its own, while `work` goes on and once after it. */
export async function watch(
  client: Redis,
  user: string,
  work: () => Promise<unknown>,
): Promise<Sight> {
  const watcher = client.duplicate();
  const sight: Sight = { samples: 0, most: 0, fewest: Infinity, unstored: 0 };
  const look = async (): Promise<void> => {
    const reply = await watcher.eval(COUNT, 1, `user:${user}:sessions`);
    const [valid, unstored] = reply as [number, number];
    sight.samples += 1;
    sight.most = Math.max(sight.most, valid);
    sight.fewest = Math.min(sight.fewest, valid);
    sight.unstored = Math.max(sight.unstored, unstored);
  };
  try {
    await look();
    let isDone = false;
    const working = work().finally(() => (isDone = true));
    while (!isDone) await look();
    await working;
    await look();
  } finally {
    watcher.disconnect();
  }
  return sight;
}

/** Those of `ids` that are valid for a user now, on a connection where nothing is under way. */
export async function validIds(
  connection: Connection,
  user: string,
  ids: Iterable<string>,
): Promise<string[]> {
  const valid: string[] = [];
  for (const id of new Set(ids)) {
    const text = await connection.get(`session:${id}`);
    if (text === null || "ended" in (JSON.parse(text) as object)) continue;
    if (await connection.sismember(`user:${user}:sessions`, id)) valid.push(id);
  }
  return valid;
}

/** The ids of all sessions on a connection, tombstones included. */
export async function allIds(connection: Connection): Promise<string[]> {
  const ids: string[] = [];
  for await (const keys of connection.scan("session:")) {
    ids.push(...keys.map((key) => key.slice("session:".length)));
  }
  return ids;
}
