/**
 * Versions: what an entry was made under. A resource and a tag each have one, in a key of their own:
 * a random token, and when they were last expired. An entry holds the versions that stood before its
 * handler ran. Where a token differs, it was purged since; where only the time does, it went stale then.
 *
 * No index and no clock decides a purge: deleting one key takes back all that was made under it, and
 * what a handler was rendering meanwhile carries a token that no one will have again.
 */
import { randomBytes } from "node:crypto";
import { type Database, defineScript, type Script } from "../../connection/script.ts";

/** Begins the value of every key that holds a version. */
const PREFIX = '{"version":"';
const TOKEN = 16;
/** Token, dot, thirteen digits of milliseconds. */
const LENGTH = TOKEN + 1 + 13;
const END = PREFIX.length + LENGTH;
const NEVER = "0".repeat(13);

/** A version that nobody had before. */
export function freshVersion(): string {
  return `${randomBytes((TOKEN * 3) / 4).toString("base64url")}.${NEVER}`;
}

/** What a version's key holds before `rest`. */
export function withVersion(version: string, rest: string): string {
  return `${PREFIX}${version}"${rest}`;
}

/** The version that a value begins with; undefined where there is none. */
export function versionOf(value: Buffer | null | undefined): string | undefined {
  if (!value || value.length <= END) return undefined;
  const head = value.toString("latin1", 0, END);
  return head.startsWith(PREFIX) ? head.slice(PREFIX.length) : undefined;
}

function tokenOf(version: string): string {
  return version.slice(0, TOKEN);
}

/** Since when what was made under `then` is stale under `now`: 0 if it is not, undefined if it was purged. */
export function expiredSince(then: string, now: string | undefined): number | undefined {
  if (then === now) return 0;
  if (now === undefined || tokenOf(then) !== tokenOf(now)) return undefined;
  return Number(now.slice(TOKEN + 1));
}

const READ_VERSION = `local held = redis.call('GETRANGE', KEYS[1], 0, ${END - 1})
local version = string.match(held, '^{"version":"([%w_-]+%.%d+)$')
`;

/** As {@link READ_VERSION} in the in-process database. */
function heldIn(database: Database, key: string): string | undefined {
  return versionOf(database.getBytes(key));
}

/** Arguments: a fresh version, TTL. Answers the version that stands, having made it live that long. */
export const versionScript: Script<string> = defineScript({
  name: "cache-version",
  lua: `${READ_VERSION}
if not version then
  redis.call('SET', KEYS[1], '${PREFIX}' .. ARGV[1] .. '"}\\n', 'PX', ARGV[2])
  return ARGV[1]
end
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return version
`,
  run: (database, key, args) => {
    const [fresh, ttl] = [String(args[0]), Number(args[1])];
    const version = heldIn(database, key);
    if (version === undefined) {
      database.set(key, withVersion(fresh, "}\n"), ttl);
      return fresh;
    }
    if (database.pttl(key)! < ttl) database.pexpire(key, ttl);
    return version;
  },
  parse: (raw) => String(raw),
});

/** Arguments: TTL. Makes a version live that long, if it is there. */
export const extendScript: Script<void> = defineScript({
  name: "cache-extend",
  lua: `
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[1]) then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return 1
`,
  run: (database, key, args) => {
    const left = database.pttl(key);
    if (left !== undefined && left < Number(args[0])) database.pexpire(key, Number(args[0]));
  },
  parse: () => {},
});

/** Arguments: milliseconds since the epoch. Answers whether there was a version to expire. */
export const expireScript: Script<boolean> = defineScript({
  name: "cache-expire",
  lua: `${READ_VERSION}
if not version then return 0 end
local stamp = math.max(tonumber(ARGV[1]), tonumber(string.sub(version, ${TOKEN + 2})) + 1)
redis.call('SETRANGE', KEYS[1], ${END - 13}, string.format('%013.0f', stamp))
return 1
`,
  run: (database, key, args) => {
    const value = database.getBytes(key);
    const version = versionOf(value);
    if (version === undefined) return false;
    // No two of them are the same, so that what was made between them is told from what comes after.
    const stamp = Math.max(Number(args[0]), Number(version.slice(TOKEN + 1)) + 1);
    const changed = Buffer.from(value!);
    changed.write(expiryStamp(stamp), END - 13, "latin1");
    database.set(key, changed, database.pttl(key)!);
    return true;
  },
  parse: (raw) => raw === 1,
});

/** {@link expireScript}'s argument. */
export function expiryStamp(now: number): string {
  return String(now).padStart(13, "0");
}

/**
 * Arguments: the version that an entry was made under, the entry, TTL. Puts the entry behind the version
 * unless that was purged; answers whether it did.
 */
export const fillScript: Script<boolean> = defineScript({
  name: "cache-fill",
  lua: `${READ_VERSION}
if not version or string.sub(version, 1, ${TOKEN}) ~= string.sub(ARGV[1], 1, ${TOKEN}) then return 0 end
local ttl = math.max(redis.call('PTTL', KEYS[1]), tonumber(ARGV[3]))
redis.call('SET', KEYS[1], held .. '"' .. ARGV[2], 'PX', ttl)
return 1
`,
  run: (database, key, [then, rest, ttl]) => {
    const version = heldIn(database, key);
    if (version === undefined || tokenOf(version) !== tokenOf(String(then))) return false;
    const bytes = Buffer.isBuffer(rest) ? rest : Buffer.from(String(rest));
    const value = Buffer.concat([Buffer.from(withVersion(version, "")), bytes]);
    database.set(key, value, Math.max(database.pttl(key)!, Number(ttl)));
    return true;
  },
  parse: (raw) => raw === 1,
});
