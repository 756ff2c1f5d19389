/**
 * The guard: the Set `user:[id]:sessions` is the fence.
 *
 * A signed-in session is valid if and only if its key exists *and* its id is a member. So ending a
 * session is one atomic step on one key, whatever slot the session itself lives in, and a process
 * that dies between two steps can leave garbage, but never a second valid session. To *claim* is to
 * become the only member; to *join* is to become one of several; to *swap* is to take one's own
 * former id's place; to *take* is to empty the Set. A *tombstone* in a session's key tells its client
 * why; it is courtesy, not the fence.
 */
import type { Connection } from "../../connection/port.ts";
import { type Database, defineScript, type Script } from "../../connection/script.ts";
import type { Keys } from "../../keys.ts";

/** A Set lives as long as the longest session in it; another process may have given it longer. */
const LENGTHEN = `
local function lengthen(ttl)
  if redis.call('PTTL', KEYS[1]) < tonumber(ttl) then redis.call('PEXPIRE', KEYS[1], ttl) end
end`;

function putMembers(database: Database, key: string, members: readonly string[], ttl: number) {
  database.sput(key, members, Math.max(database.pttl(key) ?? 0, ttl));
}

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

/**
 * Arguments: new id, TTL, most members (0: no limit), number of stale ids, stale ids, victims. Takes
 * out the stale ids, and of the victims, in their order, just enough. Answers the victims that had to
 * go; null, and nothing done, where all of them would not be enough.
 */
export const joinScript: Script<string[] | null> = defineScript({
  name: "join",
  lua: `${LENGTHEN}
local id, most, stale = ARGV[1], tonumber(ARGV[3]), tonumber(ARGV[4])
local isMember, count = {}, 0
for _, member in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  if member ~= id then
    isMember[member] = true
    count = count + 1
  end
end
local leaving, victims = {}, {}
for place = 5, #ARGV do
  local other = ARGV[place]
  local isStale = place <= 4 + stale
  if isMember[other] and (isStale or (most > 0 and count >= most)) then
    isMember[other] = nil
    count = count - 1
    leaving[#leaving + 1] = other
    if not isStale then victims[#victims + 1] = other end
  end
end
if most > 0 and count >= most then return false end
redis.call('SADD', KEYS[1], id)
for _, other in ipairs(leaving) do redis.call('SREM', KEYS[1], other) end
lengthen(ARGV[2])
return victims
`,
  run: (database, key, args) => {
    const [id, ttl, most, stale] = [String(args[0]), ...args.slice(1, 4).map(Number)] as [
      string,
      number,
      number,
      number,
    ];
    const members = new Set(database.smembers(key));
    members.delete(id);
    const victims: string[] = [];
    for (const [place, argument] of args.slice(4).entries()) {
      const other = String(argument);
      const isFull = most > 0 && members.size >= most;
      if ((place >= stale && !isFull) || !members.delete(other)) continue;
      if (place >= stale) victims.push(other);
    }
    if (most > 0 && members.size >= most) return null;
    putMembers(database, key, [...members, id], ttl);
    return victims;
  },
  parse: (raw) => raw as string[] | null,
});

/** Arguments: old id, new id, TTL. Answers whether the old id was a member. */
export const swapScript: Script<boolean> = defineScript({
  name: "swap",
  lua: `${LENGTHEN}
if redis.call('SISMEMBER', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('SADD', KEYS[1], ARGV[2])
if ARGV[1] ~= ARGV[2] then redis.call('SREM', KEYS[1], ARGV[1]) end
lengthen(ARGV[3])
return 1
`,
  run: (database, key, args) => {
    const [from, to, ttl] = [String(args[0]), String(args[1]), Number(args[2])];
    const members = database.smembers(key);
    if (!members.includes(from)) return false;
    const others = members.filter((member) => member !== from && member !== to);
    putMembers(database, key, [...others, to], ttl);
    return true;
  },
  parse: (raw) => raw === 1,
});

/**
 * Arguments: none, or the id that stays. Answers the members that it took; null, and nothing done,
 * where the one that should stay is no member.
 */
export const takeScript: Script<string[] | null> = defineScript({
  name: "take",
  lua: `
local members = redis.call('SMEMBERS', KEYS[1])
if not ARGV[1] then
  redis.call('DEL', KEYS[1])
  return members
end
if redis.call('SISMEMBER', KEYS[1], ARGV[1]) == 0 then return false end
local taken = {}
for _, member in ipairs(members) do
  if member ~= ARGV[1] then
    redis.call('SREM', KEYS[1], member)
    taken[#taken + 1] = member
  end
end
return taken
`,
  run: (database, key, args) => {
    const members = database.smembers(key);
    if (args.length === 0) {
      database.sput(key, [], 1);
      return members;
    }
    const kept = String(args[0]);
    if (!members.includes(kept)) return null;
    putMembers(database, key, [kept], 1);
    return members.filter((member) => member !== kept);
  },
  parse: (raw) => raw as string[] | null,
});

/** Who has to make room for a session that joins. */
export interface Leaving {
  /** Members whose session is gone. */
  readonly stale: readonly string[];
  /** Members that may be ended, in the order in which they are. */
  readonly victims: readonly string[];
}

/** The fence of every user of one kit. */
export interface Fence {
  /** Whether a session may pass. */
  admits(user: string, sessionId: string): Promise<boolean>;
  /** All ids that may pass. */
  members(user: string): Promise<string[]>;
  /** Makes a session the user's only one; answers the ids of those that this ended. */
  claim(user: string, sessionId: string): Promise<string[]>;
  /** Makes a session one of at most `most` (0: of any number); null, and nothing done, where there is no room. */
  join(
    user: string,
    sessionId: string,
    most: number,
    leaving: Leaving,
  ): Promise<readonly string[] | null>;
  /** Puts a new id in the place of an old one; false, and nothing done, if the old one is no member. */
  swap(user: string, from: string, to: string): Promise<boolean>;
  /** Takes one id out. The Set itself is never deleted: another session may be in it. */
  leave(user: string, sessionId: string): Promise<boolean>;
  /** Takes all ids out, or all but one; null, and nothing done, where that one is no member. */
  take(user: string, kept?: string): Promise<readonly string[] | null>;
  /** Whether anyone is in it. */
  isOccupied(user: string): Promise<boolean>;
}

/** @param ttl milliseconds that a Set lives after its last claim: longer than any session in it */
export function createFence(connection: Connection, keys: Keys, ttl: number): Fence {
  const keyOf = (user: string) => keys.userSessions(user);
  return {
    admits: (user, id) => connection.sismember(keyOf(user), id),
    members: (user) => connection.smembers(keyOf(user)),
    claim: (user, id) => connection.run(claimScript, keyOf(user), [id, ttl]),
    join: (user, id, most, { stale, victims }) => {
      const args = [id, ttl, most, stale.length, ...stale, ...victims];
      return connection.run(joinScript, keyOf(user), args);
    },
    swap: (user, from, to) => connection.run(swapScript, keyOf(user), [from, to, ttl]),
    leave: (user, id) => connection.srem(keyOf(user), id),
    take: (user, kept) => connection.run(takeScript, keyOf(user), kept === undefined ? [] : [kept]),
    isOccupied: async (user) => (await connection.scard(keyOf(user))) > 0,
  };
}
