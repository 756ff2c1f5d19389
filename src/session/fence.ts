/**
 * The guard: the Set `user:[id]:sessions` is the fence.
 *
 * A signed-in session is valid if and only if its key exists *and* its id is a member. So ending a
 * session is one atomic step on one key, whatever slot the session itself lives in, and a process
 * that dies between two steps can leave garbage, but never a second valid session. To *claim* is to
 * become the only member; to *swap* is to take one's own former id's place. A *tombstone* in a
 * session's key tells its client why; it is courtesy, not the fence.
 */
import type { Connection } from "../connection/port.ts";
import { defineScript, type Script } from "../connection/script.ts";
import type { Keys } from "../keys.ts";

/** Arguments: new id, TTL. Answers the members that had to go. */
export const claimScript: Script<string[]> = defineScript({
  name: "claim",
  lua: `
local members = redis.call('SMEMBERS', KEYS[1])
redis.call('DEL', KEYS[1])
redis.call('SADD', KEYS[1], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
local others = {}
for _, member in ipairs(members) do
  if member ~= ARGV[1] then others[#others + 1] = member end
end
return others
`,
  run: (database, key, args) => {
    const [id, ttl] = [String(args[0]), Number(args[1])];
    const others = database.smembers(key).filter((member) => member !== id);
    database.sput(key, [id], ttl);
    return others;
  },
  parse: (raw) => raw as string[],
});

/** Arguments: old id, new id, TTL. Answers whether the old id was a member. */
export const swapScript: Script<boolean> = defineScript({
  name: "swap",
  lua: `
if redis.call('SREM', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('SADD', KEYS[1], ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
`,
  run: (database, key, args) => {
    const [from, to, ttl] = [String(args[0]), String(args[1]), Number(args[2])];
    const members = database.smembers(key);
    if (!members.includes(from)) return false;
    database.sput(key, [...members.filter((member) => member !== from && member !== to), to], ttl);
    return true;
  },
  parse: (raw) => raw === 1,
});

/** The fence of every user of one kit. */
export interface Fence {
  /** Whether a session may pass. */
  admits(user: string, sessionId: string): Promise<boolean>;
  /** Makes a session the user's only one; answers the ids of those that this ended. */
  claim(user: string, sessionId: string): Promise<string[]>;
  /** Puts a new id in the place of an old one; false, and nothing done, if the old one is no member. */
  swap(user: string, from: string, to: string): Promise<boolean>;
  /** Takes one id out. The Set itself is never deleted: another session may be in it. */
  leave(user: string, sessionId: string): Promise<boolean>;
  /** Whether anyone is in it. */
  isOccupied(user: string): Promise<boolean>;
}

/** @param ttl milliseconds that a Set lives after its last claim: longer than any session in it */
export function createFence(connection: Connection, keys: Keys, ttl: number): Fence {
  return {
    admits: (user, id) => connection.sismember(keys.userSessions(user), id),
    claim: (user, id) => connection.run(claimScript, keys.userSessions(user), [id, ttl]),
    swap: (user, from, to) => connection.run(swapScript, keys.userSessions(user), [from, to, ttl]),
    leave: (user, id) => connection.srem(keys.userSessions(user), id),
    isOccupied: async (user) => (await connection.scard(keys.userSessions(user))) > 0,
  };
}
