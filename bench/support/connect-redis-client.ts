/** What connect-redis calls on node-redis, on ioredis: the lines that its users write since version 9. */
import type { Redis } from "ioredis";

/** Wraps a client for connect-redis's `client`. */
export function adaptIoredis(client: Redis): object {
  return {
    get: (key: string) => client.get(key),
    set: (key: string, value: string, options?: { expiration: { type: "EX"; value: number } }) =>
      options ? client.set(key, value, "EX", options.expiration.value) : client.set(key, value),
    expire: (key: string, seconds: number) => client.expire(key, seconds),
    del: (keys: string[]) => client.del(keys),
    mGet: (keys: string[]) => client.mget(keys),
    scanIterator: ({ MATCH, COUNT }: { MATCH: string; COUNT: number }) =>
      client.scanStream({ match: MATCH, count: COUNT }),
  };
}
