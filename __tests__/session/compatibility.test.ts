import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { RedisStore } from "connect-redis";
import request from "supertest";
import { makeKit, serve } from "../support/kit.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { createSessionApp } from "../support/session-actions.ts";

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

/** Stock connect-redis, over as much of a node-redis client as it calls. */
function stockStore(): RedisStore {
  const client = {
    get: (key: string) => redis.client.get(key),
    set: (key: string, value: string, how: { expiration: { value: number } }) =>
      redis.client.set(key, value, "EX", how.expiration.value),
    del: (keys: string[]) => redis.client.del(...keys),
    mGet: (keys: string[]) => redis.client.mget(...keys),
    expire: (key: string, seconds: number) => redis.client.expire(key, seconds),
    async *scanIterator() {
      yield await redis.client.keys("session:*");
    },
  };
  return new RedisStore({ client, prefix: "session:" });
}

describe("stock connect-redis beside the kit", () => {
  it("reads our sessions, and our tombstones as anonymous sessions", async () => {
    const url = await serve(createSessionApp(makeKit({ redis: redis.url })));
    const [first, second] = [request.agent(url), request.agent(url)];
    const old = (await first.post("/login").send({ user: "7" })).body.id as string;
    const fresh = (await second.post("/login").send({ user: "7" })).body.id as string;
    const store = stockStore();
    expect(await store.get(fresh)).toMatchObject({ userId: "7", cookie: { path: "/" } });
    const tombstone = await store.get(old);
    expect(tombstone.userId).toBeUndefined();
    expect(tombstone.cookie).toEqual({ originalMaxAge: null, expires: null });
    expect(() => store.createSession({ sessionID: old } as never, tombstone)).not.toThrow();
    expect(await store.all()).toHaveLength(2);
  });

  it("writes a session that we go on with", async () => {
    const url = await serve(createSessionApp(makeKit({ redis: redis.url })));
    const browser = request.agent(url);
    const { id } = (await browser.post("/set").send({ cart: 1 })).body;
    const store = stockStore();
    const session = await store.get(id);
    await store.set(id, { ...session, cart: 2 });
    expect((await browser.get("/")).body.data).toEqual({ cart: 2 });
    await browser.post("/set").send({ more: 3 });
    expect(await store.get(id)).toMatchObject({ cart: 2, more: 3 });
  });
});
