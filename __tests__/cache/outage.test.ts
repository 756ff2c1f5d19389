import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { once } from "node:events";
import express from "express";
import type { KitEvents } from "express-redis-kit";
import { watchCache } from "../support/cache.ts";
import { makeKit, serve } from "../support/kit.ts";
import { type RawOptions, send, textOf } from "../support/raw.ts";
import { type RedisServer, startRedis, until } from "../support/redis-server.ts";

let server: RedisServer;
beforeEach(async () => {
  server = await startRedis();
});
afterEach(async () => {
  server.kill("SIGCONT");
  await server.stop();
});

/** Far more than a few deadlines of 250 ms, and far less than a client waits. */
const BOUND = 4000;

async function start() {
  const kit = makeKit({ redis: server.url }, { NODE_ENV: "production", SESSION_SECRET: "x" });
  const errors: KitEvents["redis-error"][] = [];
  kit.on("redis-error", (event) => void errors.push(event));
  const log = watchCache(kit);
  const state = { version: 1, handled: 0 };
  const app = express();
  app.get("/x", kit.cache("x"), (_req, res) => {
    state.handled++;
    res.send(`version ${state.version}`);
  });
  app.put("/x", kit.cache.purges("x"), (_req, res) => {
    state.version++;
    res.sendStatus(204);
  });
  const url = await serve(app);
  const ask = async (options: RawOptions = {}) => {
    const started = performance.now();
    const reply = await send(url, { path: "/x", ...options });
    expect(performance.now() - started).toBeLessThan(BOUND);
    return reply;
  };
  return { kit, errors, log, state, ask };
}

const FAULTS: readonly [string, () => Promise<void>, () => Promise<void>][] = [
  ["frozen", async () => server.kill("SIGSTOP"), async () => server.kill("SIGCONT")],
  [
    "killed",
    async () => {
      const exited = once(server.process, "exit");
      server.kill("SIGKILL");
      await exited;
    },
    async () => server.restart(),
  ],
];

describe.each(FAULTS)("while Redis is %s", (_name, breakIt, mendIt) => {
  it("the handler runs for each request, and caching comes back by itself", async () => {
    const { ask, log, state, errors } = await start();
    await ask();
    await log.settled(1);
    expect((await ask()).headers["cache-status"]).toMatch(/; hit/);
    await breakIt();
    for (const method of ["GET", "GET", "HEAD", "GET"]) {
      const reply = await ask({ method });
      expect(reply.status).toBe(200);
      expect(reply.headers["cache-status"]).toMatch(
        /^express-redis-kit; fwd=miss; detail=REDIS_(TIMEOUT|UNAVAILABLE)$/,
      );
    }
    expect(state.handled).toBe(5);
    expect(errors.every(({ error }) => error.code.startsWith("REDIS_"))).toBe(true);
    await mendIt();
    await until(async () => /; hit/.test(String((await ask()).headers["cache-status"])), "a hit");
  });

  it("a write is answered although nothing can be purged", async () => {
    const { ask, errors } = await start();
    await ask();
    await breakIt();
    expect((await ask({ method: "PUT" })).status).toBe(204);
    expect(errors.map(({ during }) => during)).toContain("purging the cache");
    expect(textOf(await ask())).toBe("version 2");
  });

  it("a conditional request gets a full answer or its handler's own 304, never an error", async () => {
    const { ask } = await start();
    await breakIt();
    const first = await ask({ headers: { "If-None-Match": '"x"', Range: "bytes=0-1" } });
    expect(first.status).toBe(200);
    const again = await ask({ headers: { "If-None-Match": first.headers.etag! } });
    expect([200, 304]).toContain(again.status);
  });
});

it("a response that could not be stored is answered all the same, and reported", async () => {
  const { ask, log, state, errors } = await start();
  await server.client.config("SET", "maxmemory", "1mb");
  const reply = await ask();
  expect([reply.status, textOf(reply)]).toEqual([200, "version 1"]);
  expect(reply.headers["cache-status"]).not.toContain("stored");
  expect(errors.length).toBeGreaterThan(0);
  expect(log.outcomes()).not.toContain("stored");
  expect(state.handled).toBe(1);
});

it("keys of another type or with other bytes are no reason for an error", async () => {
  const { ask, state } = await start();
  await server.client.sadd("cache:x", "member");
  expect((await ask()).status).toBe(200);
  await server.client.del("cache:x");
  await ask();
  await until(async () => (await server.client.strlen("cache:x")) > 100, "an entry");
  await server.client.set("cache:x", Buffer.from([0, 255, 10, 1]), "PX", 60_000);
  expect(textOf(await ask())).toBe("version 1");
  expect(state.handled).toBe(3);
});

it("every key under cache: has a TTL, purged or not", async () => {
  const { ask, kit, log } = await start();
  await ask();
  await log.settled(1);
  await kit.cache.purge("x");
  await ask();
  await log.settled(2);
  const keys = await server.client.keys("*");
  expect(keys).toContain("cache:x");
  for (const key of keys) {
    expect(key).toMatch(/^cache:(x|@lock:x:@[\w-]{22})$/);
    const ttl = await server.client.pttl(key);
    expect(ttl).toBeGreaterThan(0);
    expect(ttl).toBeLessThanOrEqual(66_000 + 60_000);
  }
});
