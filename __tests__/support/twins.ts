/** A script's Lua on a real server, with a clock that the test holds instead of the server's own. */
import type { Redis } from "ioredis";
import { createMemory } from "../../src/connection/memory/memory.ts";
import type { Connection } from "../../src/connection/port.ts";
import type { Argument, Script } from "../../src/connection/script.ts";

/** Added to every TTL on the server, whose clock does not follow the test's. */
export const GRACE = 3_600_000;

/** Both halves of a script, side by side. */
export interface Twins {
  readonly clock: { now: number };
  /** Runs the Lua and its twin, and answers both. */
  run<Reply>(
    script: Script<Reply>,
    key: string,
    args: readonly Argument[],
  ): Promise<{ lua: Reply; twin: Reply }>;
  /** What a key holds on both sides, and how long; a key without a TTL is far below zero. */
  look(key: string): Promise<{ lua: Held; twin: Held }>;
}

type Held = { value: string | null; ttl: number };

/** `redis.call('TIME')` becomes the test's time; a TTL that the Lua sets or reads, as the twin sees it. */
export function underTestClock(lua: string, now: number): string {
  const time = `{ '${Math.floor(now / 1000)}', '${(now % 1000) * 1000}' }`;
  return (
    lua
      .replaceAll("redis.call('TIME')", time)
      .replaceAll(/(["'])PX\1, ([\w[\]]+)/g, `'PX', $2 + ${GRACE}`)
      // Less than nothing is left only of a key without an end, however long the machine took meanwhile.
      .replaceAll(
        /redis\.call\((["'])PTTL\1, KEYS\[1\]\)/g,
        `(function(left) return math.max(left - ${GRACE}, math.min(left, 0)) end)(redis.call('PTTL', KEYS[1]))`,
      )
      .replaceAll(
        /redis\.call\('PEXPIRE', KEYS\[1\], (\S+)\)/g,
        `redis.call('PEXPIRE', KEYS[1], $1 + ${GRACE})`,
      )
  );
}

/** Makes twins that begin empty. `memory` is the twin's side, for what else a test does to it. */
export function createTwins(client: Redis): Twins & { readonly memory: Connection } {
  const clock = { now: 1_700_000_000_000 };
  const memory = createMemory({ max: 1000, now: () => clock.now });
  let ttlOf: (key: string) => number = () => 0;
  const probe: Script<null> = {
    name: "probe",
    lua: "",
    sha: "",
    keyLocking: { lua: "", sha: "" },
    run: (database) => {
      ttlOf = (key) => database.pttl(key) ?? -2;
      return null;
    },
    parse: () => null,
  };
  return {
    clock,
    memory,
    run: async (script, key, args) => {
      // What has expired by the test's clock has expired on the server too.
      if ((await memory.getBytes(key)) === null) await client.del(key);
      const lua = underTestClock(script.lua, clock.now);
      const raw: unknown = await client.eval(lua, 1, key, ...args);
      return { lua: script.parse(raw), twin: await memory.run(script, key, args) };
    },
    look: async (key) => {
      await memory.run(probe, key, []);
      const [value, ttl] = [await client.get(key), await client.pttl(key)];
      return {
        lua: { value, ttl: ttl - GRACE },
        twin: { value: await memory.get(key), ttl: ttlOf(key) },
      };
    },
  };
}
