import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import type { Redis } from "ioredis";
import type { CacheOptions, Kit, KitOptions } from "express-redis-kit";
import { startCacheProcesses } from "../support/cache-processes.ts";
import { watchCache } from "../support/cache.ts";
import { describeDeployments } from "../support/deployments.ts";
import { makeKit, serve } from "../support/kit.ts";
import { send, textOf } from "../support/raw.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { EXPRESSES, type Express, expressApp } from "../support/shells.ts";
import { respond, WRITE_RESPONSES } from "../support/write-responses.ts";

/** What a cache stands in front of. */
interface Data {
  read(id: string): Promise<string>;
  write(id: string, value: string): Promise<unknown>;
}

function dataInMemory(): Data {
  const values = new Map<string, string>();
  return {
    read: async (id) => values.get(id) ?? "0",
    write: async (id, value) => values.set(id, value),
  };
}

const dataIn = (client: Redis): Data => ({
  read: async (id) => (await client.get(`data:${id}`)) ?? "0",
  write: (id, value) => client.set(`data:${id}`, value),
});

const PATIENT: KitOptions = { deadline: "10s", connectDeadline: "10s" };

/** One instance of an app over the data. */
function startOne(
  kit: Kit,
  data: Data,
  options: CacheOptions,
  express: Express = EXPRESSES[0]!.express,
): Promise<string> {
  const app = expressApp(express);
  app.get("/data/:id", kit.cache("data", options), async (req, res) => {
    const value = await data.read(req.params["id"]);
    // What was read is old by the time that it is sent.
    setImmediate(() => res.send(value));
  });
  app.put("/data/:id", kit.cache.purges("data"), async (req, res) => {
    const { value, how } = req.query as Record<string, string>;
    await data.write(req.params["id"], value!);
    await respond(res, how!);
  });
  return serve(app);
}

/** Of so many clients that write and then read, those that did not read what they wrote. */
async function unread(writer: string, reader: string, how: string, count = 200): Promise<string[]> {
  const wrong: string[] = [];
  const client = async (id: number): Promise<void> => {
    const path = `/data/${id}`;
    for (let value = 1; value <= count / 4; value++) {
      // Somebody else reads all the time, so that old answers are under way.
      const noise = send(reader, { path });
      await send(reader, { path });
      const query = `?value=${value}&how=${encodeURIComponent(how)}`;
      await send(writer, { path: `${path}${query}`, method: "PUT" });
      const read = textOf(await send(reader, { path }));
      if (read !== String(value)) wrong.push(`${value}: ${read}`);
      await noise;
    }
  };
  await Promise.all([1, 2, 3, 4].map(client));
  return wrong;
}

const CACHES: readonly (readonly [string, CacheOptions])[] = [
  ["a plain cache", { host: false }],
  ["stale", { host: false, ttl: 50, stale: "60s" }],
  ["staleIfError", { host: false, ttl: 50, staleIfError: "60s" }],
  ["no collapsing", { host: false, collapse: false }],
  ["a cache in memory", { host: false, memory: { max: 100, ttl: "5s" } }],
];

describeDeployments("a client that writes, then reads on another instance", (options) => {
  it.each(CACHES)("reads its own write, each time: %s", async (name, cacheOptions) => {
    const writing = makeKit({ ...PATIENT, ...options() });
    const isMemory = (options().redis as unknown) === false;
    // What one instance keeps in memory for seconds, another one's purge cannot have taken back at once.
    const isAlone = isMemory || name === "a cache in memory";
    const reading = isAlone ? writing : makeKit({ ...PATIENT, ...options() });
    await Promise.all([writing.ready(), reading.ready()]);
    const isRest = typeof options().redis === "object";
    const { memory: _memory, ...withoutMemory } = cacheOptions;
    const data = dataInMemory();
    const how = isRest ? withoutMemory : cacheOptions;
    const [writer, reader] = await Promise.all([
      startOne(writing, data, how),
      startOne(reading, data, how, EXPRESSES[1]!.express),
    ]);
    const count = name === "a plain cache" || name === "stale" ? 200 : 60;
    expect(await unread(writer, reader, "end", count)).toEqual([]);
  });
});

describe("a write's answer", () => {
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis.stop());

  it.each(WRITE_RESPONSES)(
    "is not whole before the purge is done, 40 of 40, sent as: %s",
    async (how) => {
      await redis.client.flushall();
      const [writing, reading] = [1, 2].map(() => makeKit({ ...PATIENT, redis: redis.url }));
      await Promise.all([writing!.ready(), reading!.ready()]);
      const data = dataInMemory();
      const [writer, reader] = await Promise.all(
        [writing!, reading!].map((kit) => startOne(kit, data, { host: false, stale: "60s" })),
      );
      expect(await unread(writer!, reader!, how, 40)).toEqual([]);
    },
  );
});

describe("two processes", () => {
  let redis: RedisServer;
  let end = async (): Promise<void> => {};
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterEach(() => end());
  afterAll(() => redis.stop());

  it.each<[string, CacheOptions, string]>([
    ["a plain cache", {}, "json"],
    ["stale", { ttl: 50, stale: "60s" }, "pieces"],
    ["a known length", {}, "pieces of a known length"],
  ])("let a client read its own write, 200 of 200: %s", async (_name, cacheOptions, how) => {
    await redis.client.flushall();
    const started = await startCacheProcesses(1, {
      redis: redis.url,
      options: { ...cacheOptions },
    });
    end = started.end;
    const kit = makeKit({ ...PATIENT, redis: redis.url });
    await kit.ready();
    // A variant of its own here: the purge of one process takes back what another one's host stored.
    const reader = await startOne(kit, dataIn(redis.client), cacheOptions);
    expect(await unread(started.processes[0]!.url, reader, how)).toEqual([]);
  });
});

describe("a client that writes while Redis is frozen", () => {
  it("reads its own write on the same instance, though that keeps entries in memory", async () => {
    const redis = await startRedis();
    const kit = makeKit({ redis: redis.url, deadline: 200 });
    await kit.ready();
    const url = await startOne(kit, dataInMemory(), { memory: { ttl: "60s" } });
    const ask = () => send(url, { path: "/data/1" });
    const log = watchCache(kit);
    await ask();
    await log.settled(1);
    await ask();
    redis.kill("SIGSTOP");
    try {
      expect(textOf(await ask())).toBe("0");
      const written = await send(url, { path: "/data/1?value=7&how=end", method: "PUT" });
      expect(textOf(written)).toBe("written");
      expect(textOf(await ask())).toBe("7");
    } finally {
      redis.kill("SIGCONT");
      await redis.stop();
    }
  });
});
