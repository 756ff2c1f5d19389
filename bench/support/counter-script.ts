/** The script that the benchmarks count with. */
import { defineScript, type Script } from "../../src/connection/script.ts";

/** Long enough for every benchmark, short enough to leave nothing behind. */
const TTL = 600_000;

/** Adds its argument to the key's number and answers the sum. */
export const counterScript: Script<number> = defineScript<number>({
  name: "counter",
  lua: `
local sum = redis.call('INCRBY', KEYS[1], ARGV[1])
if sum == tonumber(ARGV[1]) then redis.call('PEXPIRE', KEYS[1], ${TTL}) end
return sum`,
  run: (database, key, [by]) => {
    const sum = Number(database.get(key) ?? 0) + Number(by);
    database.set(key, String(sum), TTL);
    return sum;
  },
  parse: Number,
});
