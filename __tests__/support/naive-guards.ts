/** Guards with well-known mistakes, which the tests of the invariants have to catch. */
import { randomUUID } from "node:crypto";
import type { Redis } from "ioredis";

const LIVE = JSON.stringify({ cookie: { originalMaxAge: null, expires: null } });
const TTL = 60_000;

/** A guard as a test drives it. */
export interface Guard {
  /** Answers the new id. */
  login: (user: string) => Promise<string>;
  logout: (user: string, id: string) => Promise<unknown>;
}

const store = (client: Redis, id: string) => client.set(`session:${id}`, LIVE, "PX", TTL);

/** SMEMBERS, DEL each session, DEL the Set, SADD, SET: each a command of its own. */
export function naiveGuard(client: Redis): Guard {
  return {
    login: async (user) => {
      const id = randomUUID();
      const set = `user:${user}:sessions`;
      for (const other of await client.smembers(set)) await client.del(`session:${other}`);
      await client.del(set);
      await client.sadd(set, id);
      await store(client, id);
      return id;
    },
    logout: async (user, id) => {
      await client.del(`session:${id}`);
      await client.srem(`user:${user}:sessions`, id);
    },
  };
}

const CLAIM = `
redis.call('DEL', KEYS[1])
redis.call('SADD', KEYS[1], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])`;

/** The kit's own steps with one mistake: it claims before it has stored. */
export function claimFirst(client: Redis): Guard {
  return {
    ...naiveGuard(client),
    login: async (user) => {
      const id = randomUUID();
      await client.eval(CLAIM, 1, `user:${user}:sessions`, id, TTL);
      await store(client, id);
      return id;
    },
  };
}

/** The kit's own steps with one mistake: a logout deletes the Set. */
export function deletesSet(client: Redis): Guard {
  return {
    login: async (user) => {
      const id = randomUUID();
      await store(client, id);
      await client.eval(CLAIM, 1, `user:${user}:sessions`, id, TTL);
      return id;
    },
    logout: async (user, id) => {
      await client.del(`session:${id}`);
      await client.del(`user:${user}:sessions`);
    },
  };
}
