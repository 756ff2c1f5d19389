import { afterAll, beforeAll, beforeEach, expect, it } from "@jest/globals";
import type { Request } from "express";
import { type RedisServer, startRedis, until } from "../support/redis-server.ts";
import { startVersioned, type VersionedApp } from "../support/versioned-app.ts";

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis();
});
beforeEach(async () => {
  await redis.client.flushall();
});
afterAll(() => redis.stop());

const VALUES = 20;

const tagsOf = (id: number) => [
  `group:${id % VALUES}`,
  `owner:${Math.floor(id / VALUES) % VALUES}`,
];

async function startTagged(): Promise<VersionedApp> {
  return startVersioned({ redis: redis.url }, [
    {
      path: "/items/:id",
      template: "item",
      options: {
        scope: "public",
        tags: (req: Request) => tagsOf(Number(req.params["id"])),
      },
    },
  ]);
}

async function fill(app: VersionedApp, count: number): Promise<void> {
  for (let id = 0; id < count; id += 50) {
    await Promise.all(
      Array.from({ length: Math.min(50, count - id) }, (_, index) =>
        app.ask(`/items/${id + index}`),
      ),
    );
  }
  await app.log.settled(count);
  // Locks are let go of after what they protect has been told.
  const locks = async () => (await redis.client.keys("cache:@lock:*")).length;
  await until(async () => (await locks()) === 0, "all locks are free");
}

/** How many commands the server ran for this. */
async function commandsOf(work: () => Promise<unknown>): Promise<number> {
  await redis.client.config("RESETSTAT");
  await work();
  const stats = await redis.client.info("commandstats");
  let sum = 0;
  for (const [, name, calls] of stats.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)) {
    if (!/^(config|info|ping)/.test(name!)) sum += Number(calls);
  }
  return sum;
}

it("2,000 entries with two tags each need no key beside them but one for each tag in use", async () => {
  const app = await startTagged();
  await fill(app, 2000);
  const keys = await redis.client.keys("*");
  const entries = keys.filter((key) => /^cache:item:\d+$/.test(key));
  expect(entries).toHaveLength(2000);
  const others = keys.filter((key) => !/^cache:item:\d+$/.test(key));
  expect(others.filter((key) => !key.startsWith("cache:@tag:"))).toEqual([]);
  expect(others.length).toBeLessThanOrEqual(2 * VALUES);
  const pipeline = redis.client.pipeline();
  for (const key of keys) pipeline.pttl(key);
  const ttls = (await pipeline.exec())!.map(([, ttl]) => Number(ttl));
  expect(Math.min(...ttls)).toBeGreaterThan(0);
  // A tag has to live as long as what carries it.
  const ttlOf = new Map(keys.map((key, index) => [key, ttls[index]!]));
  for (const key of entries) {
    const id = Number(key.split(":").at(-1));
    for (const tag of tagsOf(id)) {
      expect(ttlOf.get(`cache:@tag:${tag}`)).toBeGreaterThanOrEqual(ttlOf.get(key)! - 1000);
    }
  }
});

it("a purge takes as few commands among 2,000 entries as among 20", async () => {
  const costs: number[][] = [];
  for (const count of [20, 2000]) {
    await redis.client.flushall();
    const app = await startTagged();
    await fill(app, count);
    const { cache } = app.kit;
    // The server learns the scripts.
    await cache.expire("item", { id: 1 });
    await cache.expireTag("group:1");
    costs.push([
      await commandsOf(() => cache.purge("item", { id: 3 })),
      await commandsOf(() => cache.expire("item", { id: 4 })),
      await commandsOf(() => cache.purgeTag("group:5")),
      await commandsOf(() => cache.expireTag("group:6")),
      await commandsOf(() => cache.purgeUser("7")),
    ]);
  }
  expect(costs[0]).toEqual(costs[1]);
  // A script is one command more than those that it runs.
  for (const cost of costs.flat()) expect(cost).toBeLessThanOrEqual(5);
});

it("what a purge took back takes no place for longer than its own TTL, and is never served", async () => {
  const app = await startTagged();
  await fill(app, 200);
  await app.kit.cache.purgeTag("group:5");
  for (let id = 0; id < 200; id++) {
    expect([id, await app.isHit(`/items/${id}`)]).toEqual([id, id % VALUES !== 5]);
  }
  await app.log.settled(210);
  for (let id = 5; id < 200; id += VALUES) expect(await app.isHit(`/items/${id}`)).toBe(true);
  for (const key of await redis.client.keys("*")) {
    expect(await redis.client.pttl(key)).toBeGreaterThan(0);
  }
});
