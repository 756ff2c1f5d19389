/** What stands in a database: keys by kind, those without a TTL, and what they weigh. */
import type { Redis } from "ioredis";
import { MARK } from "./fill.ts";

/** One kind of key. */
export interface Kind {
  keys: number;
  /** Of them, without an end. */
  immortal: number;
}

/** All keys, by what they are. */
export type Census = Record<"entries" | "tags" | "locks" | "others", Kind>;

const BATCH = 5000;

/** Sorts keys by their names, and entries by their bytes: a name alone could belong to anything. */
function kindOf(key: string, end: string): keyof Census {
  if (key.startsWith("cache:@tag:")) return "tags";
  if (key.startsWith("cache:@lock:")) return "locks";
  return key.startsWith("cache:") && !key.startsWith("cache:@") && end === MARK
    ? "entries"
    : "others";
}

/** Looks at every key. */
export async function takeCensus(client: Redis): Promise<Census> {
  const census: Census = {
    entries: { keys: 0, immortal: 0 },
    tags: { keys: 0, immortal: 0 },
    locks: { keys: 0, immortal: 0 },
    others: { keys: 0, immortal: 0 },
  };
  let cursor = "0";
  do {
    const [next, keys] = await client.scan(cursor, "COUNT", BATCH);
    cursor = next;
    const pipeline = client.pipeline();
    for (const key of keys) pipeline.pttl(key).getrange(key, -MARK.length, -1);
    const answers = (await pipeline.exec()) ?? [];
    for (const [index, key] of keys.entries()) {
      const kind = census[kindOf(key, String(answers[2 * index + 1]?.[1]))];
      kind.keys += 1;
      if (Number(answers[2 * index]?.[1]) < 0) kind.immortal += 1;
    }
  } while (cursor !== "0");
  return census;
}

/** Bytes that the server has in use. */
export async function usedMemory(client: Redis): Promise<number> {
  return Number(/^used_memory:(\d+)/m.exec(await client.info("memory"))![1]);
}

/** The commands that some work made the server run, without those that look at it or see whether it is there. */
export async function commandsOf(
  client: Redis,
  work: () => Promise<unknown>,
): Promise<Record<string, number>> {
  await client.config("RESETSTAT");
  await work();
  const stats = await client.info("commandstats");
  const counts: Record<string, number> = {};
  for (const [, name, calls] of stats.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)) {
    if (!/^(config|info|ping)/.test(name!)) counts[name!] = Number(calls);
  }
  return counts;
}
