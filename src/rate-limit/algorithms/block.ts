/** The script that blocks a key and leaves its meters as they are. */
import { defineScript, type Script } from "../../connection/script.ts";

/** From the first meter on; whatever precedes it is an older block. */
const METERS = /;[a-z].*/s;

/** Arguments: the milliseconds for which everything is refused. */
export const blockScript: Script<null> = defineScript<null>({
  name: "block",
  lua: `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local duration = tonumber(ARGV[1])
local meters = string.match(redis.call('GET', KEYS[1]) or '', ';%l.*') or ''
local ttl = math.max(duration, redis.call('PTTL', KEYS[1]))
redis.call('SET', KEYS[1], string.format(';!%d', now + duration) .. meters, 'PX', ttl)
return false
`,
  run: (database, key, [duration]) => {
    const meters = METERS.exec(database.get(key) ?? "")?.[0] ?? "";
    const ttl = Math.max(Number(duration), database.pttl(key) ?? 0);
    database.set(key, `;!${database.now() + Number(duration)}${meters}`, ttl);
    return null;
  },
  parse: () => null,
});
