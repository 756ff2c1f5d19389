/** The port over any channel: how each of its calls is said to a Redis server. */
import type { Channel } from "./channel.ts";
import { serverSaid } from "./diagnosis.ts";
import type { Connection, SetOptions } from "./port.ts";
import type { Argument, Script } from "./script.ts";

const SCAN_COUNT = 200;

/** As MGET answers where what stands at a key is no string, and GET fails. */
function nullForSet(error: unknown): null {
  if (serverSaid(error, "WRONGTYPE")) return null;
  throw error;
}

/** Each master's keys, batch by batch. */
async function* scan(channel: Channel, prefix: string): AsyncIterable<string[]> {
  const pattern = `${prefix.replace(/[\\*?[\]^]/g, "\\$&")}*`;
  for (const master of await channel.masters()) {
    let cursor = "0";
    do {
      const command = ["SCAN", cursor, "MATCH", pattern, "COUNT", SCAN_COUNT] as const;
      // eslint-disable-next-line no-await-in-loop -- a cursor is known only once the batch before it came
      const [next, keys] = (await master.send(command)) as [string, string[]];
      cursor = next;
      if (keys.length > 0) yield keys;
    } while (cursor !== "0");
  }
}

/** Makes the port of a channel. */
export function portOver(channel: Channel): Connection {
  const set = async (key: string, value: string | Buffer, { ttl, condition }: SetOptions) => {
    const reply = await (condition === undefined
      ? channel.send(["SET", key, value, "PX", ttl], { key })
      : channel.send(["SET", key, value, "PX", ttl, condition], { key }));
    return reply === "OK";
  };
  const getBytes = (key: string) =>
    channel.send(["GET", key], { key, bytes: true }) as Promise<Buffer | null>;
  const mget = (keys: readonly string[]) =>
    channel.send(["MGET", ...keys], { bytes: true }) as Promise<(Buffer | null)[]>;
  const run = async <Reply>(script: Script<Reply>, key: string, args: readonly Argument[]) => {
    const { lua, sha } = channel.textOf(script);
    const what = `the script ${script.name}`;
    const deadline = channel.deadline();
    const started = performance.now();
    try {
      return script.parse(await channel.send(["EVALSHA", sha, 1, key, ...args], { key, what }));
    } catch (error) {
      // The only reply after which a script certainly did not run because nobody knew it.
      if (!serverSaid(error, "NOSCRIPT")) throw error;
    }
    const within = Math.max(1, deadline - (performance.now() - started));
    return script.parse(await channel.send(["EVAL", lua, 1, key, ...args], { key, what, within }));
  };
  const count = async (name: string, key: string, ...parts: (string | number)[]) =>
    Number(await channel.send([name, key, ...parts], { key }));
  return {
    get: (key) => channel.send(["GET", key], { key }) as Promise<string | null>,
    getBytes,
    mgetBytes: (keys) =>
      channel.isSharded
        ? Promise.all(keys.map((key) => getBytes(key).catch(nullForSet)))
        : mget(keys),
    set,
    del: async (key) => (await count("DEL", key)) > 0,
    pexpire: async (key, ttl) => (await count("PEXPIRE", key, ttl)) > 0,
    pttl: async (key) => {
      const left = await count("PTTL", key);
      return left < 0 ? undefined : left;
    },
    smembers: (key) => channel.send(["SMEMBERS", key], { key }) as Promise<string[]>,
    sismember: async (key, member) => (await count("SISMEMBER", key, member)) > 0,
    scard: (key) => count("SCARD", key),
    srem: async (key, member) => (await count("SREM", key, member)) > 0,
    scan: (prefix) => scan(channel, prefix),
    run,
    isTextOnly: () => channel.isTextOnly,
    push: channel.push,
    ping: async () => void (await channel.send(["PING"])),
    ready: () => channel.ready(),
    close: () => channel.close(),
    state: () => channel.state(),
  };
}
