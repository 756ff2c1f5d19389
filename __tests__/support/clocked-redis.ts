/** The scripts of a limiter on a real server, by a clock that the test holds. */
import type { Redis } from "ioredis";
import type { Connection } from "../../src/connection/port.ts";
import type { Argument, Script } from "../../src/connection/script.ts";
import { underTestClock } from "./twins.ts";

/** The part of the port that algorithms use. */
export function clockedRedis(client: Redis, clock: { readonly now: number }): Connection {
  const run = async (
    script: Script<unknown>,
    key: string,
    args: readonly Argument[],
  ): Promise<unknown> =>
    script.parse(await client.eval(underTestClock(script.lua, clock.now), 1, key, ...args));
  return { run } as unknown as Connection;
}
