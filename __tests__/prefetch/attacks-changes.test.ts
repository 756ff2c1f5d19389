/** What a hold does that is made for one request and serves another purpose than it was made for. */
import { afterAll, beforeAll, expect, it } from "@jest/globals";
import express from "express";
import { makeKit, serve } from "../support/kit.ts";
import { send } from "../support/raw.ts";
import { addLogin, signInAt } from "../support/signing.ts";
import { type RedisServer, startRedis, until } from "../support/redis-server.ts";

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

it.each(["memory", "redis-server"])(
  "a hold that a change has made useless leaves its room to its own request: %s",
  async (backend) => {
    const kit = makeKit(backend === "memory" ? {} : { redis: redis.url });
    const app = express();
    app.use(kit.rateLimit());
    app.get(
      "/work",
      async (req, _res, next) => {
        if (req.headers["x-clear"]) await kit.cache.clear();
        next();
      },
      kit.rateLimit("tight", { limit: 4, window: "1h" }),
      (_req, res) => void res.end(),
    );
    const url = await serve(app);
    const statuses: number[] = [];
    for (const headers of [{}, {}, {}, { "X-Clear": "yes" }, {}]) {
      statuses.push((await send(`${url}/work`, { headers })).status);
    }
    expect(statuses).toEqual([200, 200, 200, 200, 429]);
  },
);

it("a limiter answers under its own name, also where another one's hold will do", async () => {
  const kit = makeKit();
  const one = kit.rateLimit("write", { limit: 50, identifier: "write-a" });
  const other = kit.rateLimit("write", {
    limit: 50,
    identifier: (req) => `tenant-${String(req.headers["x-tenant"])}`,
  });
  const app = express();
  app.use(kit.rateLimit());
  app.use((req, res, next) => (req.headers["x-tenant"] ? other : one)(req, res, next));
  app.use((_req, res) => void res.end());
  const url = await serve(app);
  for (let n = 0; n < 3; n += 1) await send(url);
  const { headers } = await send(url, { headers: { "X-Tenant": "7" } });
  expect(String(headers["ratelimit-policy"])).toContain('"tenant-7"');
});

it("refusals on paths that nobody has seen prolong nothing, and read nothing", async () => {
  await redis.client.flushall();
  const kit = makeKit({ redis: redis.url });
  const app = express();
  app.use(kit.session());
  addLogin(app, kit);
  app.get(
    "/x/:id",
    kit.rateLimit("late", { limit: 3, window: "1h" }),
    (_req, res) => void res.end(),
  );
  const url = await serve(app);
  const first = await signInAt(url);
  const statuses: number[] = [];
  for (let n = 0; n < 4; n += 1) {
    const headers = { cookie: first.cookie };
    statuses.push((await send(`${url}/x/${n}`, { headers })).status);
  }
  expect(statuses).toEqual([200, 200, 200, 429]);
  const { id, cookie } = await signInAt(url);
  await redis.client.pexpire(`session:${id}`, 60_000);
  for (let n = 10; n < 13; n += 1) {
    expect((await send(`${url}/x/${n}`, { headers: { cookie } })).status).toBe(429);
  }
  expect(await redis.client.pttl(`session:${id}`)).toBeLessThanOrEqual(60_000);
  // A request that is not refused does prolong it.
  await kit.rateLimit.reset("late", "127.0.0.1");
  expect((await send(`${url}/x/20`, { headers: { cookie } })).status).toBe(200);
  const left = () => redis.client.pttl(`session:${id}`);
  await until(async () => (await left()) > 60_000, "the expiry has been moved");
});
