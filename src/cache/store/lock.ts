/**
 * The lock under which one process renders a missing variant while the others wait: whose it is, and
 * the versions that stood when it was taken. After a purge it binds nobody.
 */
import { defineScript, type Script } from "../../connection/script.ts";

/** Stands in the lock's place for a while after a response that could not be stored. */
const REFUSED = "refused";

/** What came of asking for a lock. */
export type Lead = "leading" | "led" | "refused";

const LEADS: readonly Lead[] = ["led", "leading", "refused"];

/** Arguments: an id, the versions, how long the lock holds (ms). */
export const leadScript: Script<Lead> = defineScript({
  name: "cache-lead",
  lua: `
local held = redis.call('GET', KEYS[1])
local holder, versions = string.match(held or '', '^(%S+) (.*)$')
if holder and versions == ARGV[2] then return holder == '${REFUSED}' and 2 or 0 end
redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. ARGV[2], 'PX', ARGV[3])
return 1
`,
  run: (database, key, args) => {
    const [id, versions, age] = [String(args[0]), String(args[1]), Number(args[2])];
    const [, holder, theirs] = /^(\S+) (.*)$/s.exec(database.get(key) ?? "") ?? [];
    if (holder !== undefined && theirs === versions) return holder === REFUSED ? "refused" : "led";
    database.set(key, `${id} ${versions}`, age);
    return "leading";
  },
  parse: (raw) => LEADS[Number(raw)]!,
});

/**
 * Arguments: an id, how long to say that the response could not be stored (ms), 0 for not at all. Lets go
 * of the lock, if it is still this id's.
 */
export const releaseScript: Script<void> = defineScript({
  name: "cache-release",
  lua: `
local held = redis.call('GET', KEYS[1])
local holder, versions = string.match(held or '', '^(%S+) (.*)$')
if holder ~= ARGV[1] then return 0 end
if tonumber(ARGV[2]) > 0 then
  redis.call('SET', KEYS[1], '${REFUSED} ' .. versions, 'PX', ARGV[2])
else
  redis.call('DEL', KEYS[1])
end
return 1
`,
  run: (database, key, args) => {
    const [, holder, versions] = /^(\S+) (.*)$/s.exec(database.get(key) ?? "") ?? [];
    if (holder !== args[0]) return;
    const note = Number(args[1]);
    if (note > 0) database.set(key, `${REFUSED} ${versions}`, note);
    else database.del(key);
  },
  parse: () => {},
});

/** What a lock's value says to one who waits under `versions`. */
export function readLock(value: string | null, versions: string): Lead | "free" {
  const [, holder, theirs] = /^(\S+) (.*)$/s.exec(value ?? "") ?? [];
  if (holder === undefined || theirs !== versions) return "free";
  return holder === REFUSED ? "refused" : "led";
}
