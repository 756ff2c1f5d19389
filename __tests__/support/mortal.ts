/** A process that dies at a chosen command: the connection below it is real, and forgets it. */
import { resolveConfig } from "../../src/config.ts";
import type { Connection } from "../../src/connection/port.ts";
import { type Context, createNotices } from "../../src/context.ts";
import { createKeys } from "../../src/keys.ts";
import { createEvents } from "../../src/observe/events.ts";
import { Prefetch } from "../../src/prefetch/prefetch.ts";
import { createLog } from "./kit.ts";

/** The context of a kit over a connection of the test's own. */
export function contextOver(connection: Connection): Context {
  const logger = createLog();
  const config = resolveConfig({ redis: false, secret: "s", logger }, {});
  return {
    config,
    prefetch: new Prefetch(config.deadline),
    connection,
    keys: createKeys(""),
    events: createEvents(),
    notices: createNotices(logger, true),
  };
}

/** When, at its n-th command, the process dies: before the command leaves, or before its answer comes. */
export type Moment = "before" | "after";

const DEAD = new Error("the process is dead");

/** A connection of a process that dies at command `n`, counted from 0; nothing of it runs afterwards. */
export function mortal(
  real: Connection,
  n: number,
  moment: Moment,
): Connection & { count(): number } {
  let count = 0;
  let isDead = false;
  const step = async <T>(command: () => Promise<T>): Promise<T> => {
    if (isDead) throw DEAD;
    isDead = count++ === n;
    if (isDead && moment === "before") throw DEAD;
    const answer = await command();
    if (isDead) throw DEAD;
    return answer;
  };
  return {
    ...real,
    count: () => count,
    get: (key) => step(() => real.get(key)),
    set: (key, value, how) => step(() => real.set(key, value, how)),
    del: (key) => step(() => real.del(key)),
    pexpire: (key, ttl) => step(() => real.pexpire(key, ttl)),
    pttl: (key) => step(() => real.pttl(key)),
    smembers: (key) => step(() => real.smembers(key)),
    sismember: (key, member) => step(() => real.sismember(key, member)),
    scard: (key) => step(() => real.scard(key)),
    srem: (key, member) => step(() => real.srem(key, member)),
    run: (script, key, args) => step(() => real.run(script, key, args)),
  };
}
