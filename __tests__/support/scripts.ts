/** Scripts for tests of connections: small ones, with an effect that can be counted. */
import { defineScript, type Script } from "../../src/connection/script.ts";

/** Adds the first argument to the Set at a key, for as long as the second says; answers its size. */
export const addMember: Script<number> = defineScript({
  name: "add-member",
  lua: `redis.call('SADD', KEYS[1], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return redis.call('SCARD', KEYS[1])`,
  run: (database, key, [member, ttl]) => {
    const members = new Set([...database.smembers(key), String(member)]);
    database.sput(key, [...members], Number(ttl));
    return members.size;
  },
  parse: Number,
});

/** Keeps the first argument at a key, for as long as the second says; answers how many bytes stand there. */
export const keep: Script<number> = defineScript({
  name: "keep",
  lua: `redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return #ARGV[1]`,
  run: (database, key, [value, ttl]) => {
    database.set(key, Buffer.isBuffer(value) ? value : String(value), Number(ttl));
    return database.getBytes(key)!.length;
  },
  parse: Number,
});

/** Answers how many bytes stand at a key. */
export const length: Script<number> = defineScript({
  name: "length",
  lua: "return redis.call('STRLEN', KEYS[1])",
  run: (database, key) => database.getBytes(key)?.length ?? 0,
  parse: Number,
});

/** Answers how often it has run on a key. */
export const count: Script<number> = defineScript({
  name: "count",
  lua: "return redis.call('INCR', KEYS[1])",
  run: () => {
    throw new Error("For real servers only.");
  },
  parse: Number,
});
