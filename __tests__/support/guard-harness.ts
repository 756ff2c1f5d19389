/** Concurrent logins against a real Redis, watched by a sampler that sees one instant at a time. */
import { Redis } from "ioredis";
import type { RedisServer } from "./redis-server.ts";

/**
 * Counts the valid sessions of a user in one atomic step: ids that are in the Set *and* whose key is
 * a session that is signed in as that user. A tombstone is none.
 */
const VALID = `
local valid = {}
for _, id in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  local text = redis.call('GET', 'session:' .. id)
  if text and not string.find(text, '"ended"', 1, true) and string.find(text, '"userId"', 1, true) then
    valid[#valid + 1] = id
  end
end
return valid
`;

/** Ids of the valid sessions of a user at this instant. */
export async function validSessions(client: Redis, user: string): Promise<string[]> {
  return (await client.eval(VALID, 1, `user:${user}:sessions`)) as string[];
}

/** What a sampler saw. */
export interface Samples {
  readonly count: number;
  /** The most valid sessions at one instant. */
  readonly most: number;
}

/** Samples a user's valid sessions without a pause, on a connection of its own, until stopped. */
export function startSampler(server: RedisServer, user: string): () => Promise<Samples> {
  const client = new Redis({ path: server.socketPath });
  let isRunning = true;
  let [count, most] = [0, 0];
  const sampling = (async () => {
    while (isRunning) {
      most = Math.max(most, (await validSessions(client, user)).length);
      count += 1;
    }
  })();
  return async () => {
    isRunning = false;
    await sampling;
    client.disconnect();
    return { count, most };
  };
}

/** Signs a user in and answers the new session's id. */
export type SignIn = (user: string) => Promise<string>;

/**
 * Runs rounds of four concurrent logins of one user; answers how many valid sessions each round left,
 * at most, and the most that the sampler saw at any instant.
 */
export async function runRounds(
  server: RedisServer,
  signIns: readonly SignIn[],
  rounds: number,
): Promise<{ samples: Samples; left: number[] }> {
  const stop = startSampler(server, "7");
  const left: number[] = [];
  for (let round = 0; round < rounds; round++) {
    await Promise.all(
      Array.from({ length: 4 }, (_, index) => signIns[index % signIns.length]!("7")),
    );
    left.push((await validSessions(server.client, "7")).length);
  }
  return { samples: await stop(), left };
}
