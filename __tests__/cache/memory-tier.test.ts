import { afterAll, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import express from "express";
import type { CacheOptions, Kit, KitOptions } from "express-redis-kit";
import { createLog, makeKit, serve } from "../support/kit.ts";
import { send, textOf } from "../support/raw.ts";
import { describeDeployments } from "../support/deployments.ts";
import { type RedisServer, startRedis, until } from "../support/redis-server.ts";

const HOUR: CacheOptions = { ttl: "1h", memory: { ttl: "1h" }, tags: ["brand:[id]"], host: false };

/** One instance: a page that says which version of its handler's data it was made of. */
async function instance(kit: Kit, state: { version: number; handled: number }, options = HOUR) {
  await kit.ready();
  const app = express();
  app.get("/brands/:id", kit.cache("brand:page", options), (req, res) => {
    state.handled += 1;
    const vary = req.query["vary"];
    if (typeof vary === "string") res.vary(vary);
    res.send(`version ${state.version}`);
  });
  app.put("/brands/:id", kit.cache.purges("brand:page"), (_req, res) => void res.end());
  const url = await serve(app);
  return { kit, ask: async () => textOf(await send(url, { path: "/brands/1" })), url };
}

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis();
});
beforeEach(() => redis.client.flushall());
afterAll(() => redis.stop());

/** Commands that Redis ran for the kit's clients: reads of keys. */
async function reads(): Promise<number> {
  const stats = await redis.client.info("commandstats");
  const calls = ["get", "mget"].map((name) =>
    Number(new RegExp(`cmdstat_${name}:calls=(\\d+)`).exec(stats)?.[1] ?? 0),
  );
  return calls[0]! + calls[1]!;
}

/** Asks until the answer comes from memory: the subscription stands, and the entry was read once. */
async function warm(ask: () => Promise<string>): Promise<void> {
  await until(async () => {
    const before = await reads();
    await ask();
    return (await reads()) === before;
  }, "an answer from memory");
}

const start = (state = { version: 1, handled: 0 }, options?: CacheOptions, more: KitOptions = {}) =>
  instance(makeKit({ redis: redis.url, ...more }), state, options);

describe("the tier in memory", () => {
  it("answers without asking Redis, on one connection", async () => {
    const state = { version: 1, handled: 0 };
    const { ask } = await start(state);
    await warm(ask);
    const before = await reads();
    for (let round = 0; round < 20; round++) expect(await ask()).toBe("version 1");
    expect(await reads()).toBe(before);
    expect(state.handled).toBe(1);
    const clients = String(await redis.client.call("CLIENT", "LIST"));
    expect(clients.match(/name=express-redis-kit/g)).toHaveLength(1);
  });

  it.each<[string, (kit: Kit) => Promise<unknown>]>([
    ["a purge", (kit) => kit.cache.purge("brand:page", { id: 1 })],
    ["an expiry", (kit) => kit.cache.expire("brand:page", { id: 1 })],
    ["a tag's purge", (kit) => kit.cache.purgeTag("brand:1")],
    ["a tag's expiry", (kit) => kit.cache.expireTag("brand:[id]", { id: 1 })],
    ["clear", (kit) => kit.cache.clear()],
  ])("is emptied at once by %s of its own kit, and soon by another's", async (_name, drop) => {
    const state = { version: 1, handled: 0 };
    const [here, there] = await Promise.all([start(state), start(state)]);
    await Promise.all([warm(here.ask), warm(there.ask)]);
    state.version = 2;
    await drop(here.kit);
    expect(await here.ask()).toBe("version 2");
    await until(async () => (await there.ask()) === "version 2", "the other has heard of it");
  });

  it("is emptied when the connection is lost, and fills again", async () => {
    const state = { version: 1, handled: 0 };
    const { ask } = await start(state);
    await warm(ask);
    // What happens meanwhile is heard of by nobody.
    await redis.client.call("CLIENT", "KILL", "TYPE", "pubsub");
    state.version = 2;
    await redis.client.flushall();
    await until(async () => (await ask()) === "version 2", "what was in memory is gone");
    await warm(ask);
  });

  it("is never older than its ttl, whatever is heard", async () => {
    const state = { version: 1, handled: 0 };
    const { ask } = await start(state, { ...HOUR, memory: { ttl: "200ms" } });
    await warm(ask);
    state.version = 2;
    await redis.client.flushall(); // Not a purge: nobody is told.
    await until(async () => (await ask()) === "version 2", "memory's time is over");
  });

  it("does not keep what was read before a purge that it heard of first", async () => {
    const state = { version: 0, handled: 0 };
    const { ask, kit, url } = await start(state);
    await warm(ask);
    for (let round = 1; round <= 100; round++) {
      const readers = Array.from({ length: 5 }, ask);
      state.version = round;
      await send(url, { path: "/brands/1", method: "PUT" });
      expect(await ask()).toBe(`version ${round}`);
      await Promise.all(readers);
      expect(await ask()).toBe(`version ${round}`);
    }
    await kit.close();
  });

  it("holds no more entries than it may", async () => {
    const kit = makeKit({ redis: redis.url });
    await kit.ready();
    const app = express();
    app.get("/:id", kit.cache("x", { ttl: "1h", memory: { max: 2, ttl: "1h" } }), (_req, res) => {
      res.send("x");
    });
    const url = await serve(app);
    const ask = (path: string) => send(url, { path });
    await warm(async () => textOf(await ask("/1")));
    for (const path of ["/2", "/3", "/4"]) await ask(path);
    // A lock that is given back is read first.
    await until(
      async () => (await redis.client.keys("cache:@lock:*")).length === 0,
      "all is stored",
    );
    const before = await reads();
    await ask("/1");
    expect(await reads()).toBe(before + 1);
  });

  it("keeps variants of a response's own Vary apart", async () => {
    const kit = makeKit({ redis: redis.url });
    await kit.ready();
    const app = express();
    const options: CacheOptions = { ttl: "origin", memory: { ttl: "1h" } };
    app.get("/", kit.cache("x", options), (req, res) => {
      res.set("Cache-Control", "max-age=3600").vary("Accept-Language");
      res.send(req.get("Accept-Language"));
    });
    const url = await serve(app);
    const ask = async (language: string) =>
      textOf(await send(url, { headers: { "Accept-Language": language } }));
    await warm(() => ask("de"));
    await warm(() => ask("fr"));
    for (const language of ["de", "fr", "de", "it"]) expect(await ask(language)).toBe(language);
  });

  it("is a default of the kit, too, and works for wrap", async () => {
    const kit = makeKit({ redis: redis.url, cache: { memory: { ttl: "1h" } } });
    await kit.ready();
    let made = 0;
    const ask = async () => String(await kit.cache.wrap("sum", () => (made += 1)));
    await warm(ask);
    expect([await ask(), made]).toEqual(["1", 1]);
    await kit.cache.purge("sum");
    expect(await ask()).toBe("2");
  });

  it("hands out bytes that nobody else can change", async () => {
    const kit = makeKit({ redis: redis.url });
    await kit.ready();
    const ask = () => kit.cache.wrap("bytes", () => Buffer.from("abc"), { memory: { ttl: "1h" } });
    await warm(async () => String((await ask()).fill("x")));
    expect(String(await ask())).toBe("abc");
  });
});

describeDeployments("the tier in memory", (options) => {
  it("is purged; where nothing can be pushed it is left out, with a word", async () => {
    const state = { version: 1, handled: 0 };
    const log = createLog();
    const kit = makeKit({ ...options(), logger: log }, { NODE_ENV: "development" });
    const { ask } = await instance(kit, state);
    const page = () => kit.cache.wrap("page", () => state.version, { memory: { ttl: "1h" } });
    for (let round = 1; round <= 5; round++) {
      expect([await ask(), await page()]).toEqual([`version ${round}`, round]);
      state.version += 1;
      await Promise.all([kit.cache.purgeTag("brand:1"), kit.cache.purge("page")]);
    }
    const { connection } = await kit.health();
    const isTold = log.lines.some((line) => line.includes("cache({ memory }) is left out"));
    expect(isTold).toBe(connection === "rest");
  });
});
