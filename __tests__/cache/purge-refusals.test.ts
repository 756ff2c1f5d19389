import { describe, expect, it } from "@jest/globals";
import express from "express";
import { KitError, type KitEvents } from "express-redis-kit";
import request from "supertest";
import { makeKit, serve } from "../support/kit.ts";
import { startRedis, until } from "../support/redis-server.ts";

describe("a purge that would miss", () => {
  it.each([
    ["a missing param", {}],
    ["a misspelt param", { di: 1 }],
    ["one param too many", { id: 1, page: 2 }],
  ])("is an error: %s", async (_what, params) => {
    const { cache } = makeKit();
    await expect(cache.purge("brand:[id]", params)).rejects.toMatchObject({
      code: "CACHE_KEY_INCOMPLETE",
    });
  });

  it("is an error of the route that wanted it, before its handler writes anything", async () => {
    const { cache } = makeKit();
    let writes = 0;
    const app = express().put("/brands/:brand", cache.purges("brand:[id]"), (_req, res) => {
      writes += 1;
      res.end();
    });
    app.use(((error, _req, res, _next) => {
      res.json(error instanceof KitError ? error.code : null);
    }) as express.ErrorRequestHandler);
    expect((await request(app).put("/brands/1")).body).toBe("CACHE_KEY_INCOMPLETE");
    expect(writes).toBe(0);
  });
});

describe("a purge while Redis is away", () => {
  it("lets the response go, and is reported", async () => {
    const redis = await startRedis();
    const kit = makeKit({ redis: redis.url, deadline: 100 });
    await kit.ready();
    const reports: KitEvents["redis-error"][] = [];
    kit.on("redis-error", (report) => void reports.push(report));
    const app = express().put("/x", kit.cache.purges("x"), (_req, res) => {
      res.json("written");
    });
    const url = await serve(app);
    redis.kill("SIGSTOP");
    const response = await fetch(`${url}/x`, { method: "PUT" });
    expect([response.status, await response.json()]).toEqual([200, "written"]);
    expect(reports.map(({ during }) => during)).toContain("purging the cache");
    redis.kill("SIGCONT");
  });
});

describe("a purge that a frozen Redis did not take", () => {
  it("is made up for, and until then its instance serves nothing that it would have taken back", async () => {
    const redis = await startRedis();
    const kit = makeKit({ redis: redis.url, deadline: 100 });
    const elsewhere = makeKit({ redis: redis.url, deadline: 1000 });
    await Promise.all([kit.ready(), elsewhere.ready()]);
    let value = 1;
    const app = express();
    app.get("/x", kit.cache("x", { host: false }), (_req, res) => void res.json(value));
    app.get("/wrapped", async (_req, res) => {
      res.json(await kit.cache.wrap("w", () => value));
    });
    app.put("/x", kit.cache.purges("x", "w"), (_req, res) => {
      value += 1;
      res.json("written");
    });
    const url = await serve(app);
    const other = express().get("/x", elsewhere.cache("x", { host: false }), (_req, res) => {
      res.json(value);
    });
    const otherUrl = await serve(other);
    const read = async (from = `${url}/x`): Promise<unknown> => (await fetch(from)).json();
    expect([await read(), await read(`${url}/wrapped`)]).toEqual([1, 1]);
    await until(async () => (await redis.client.strlen("cache:x")) > 100, "an entry");
    redis.kill("SIGSTOP");
    await (await fetch(`${url}/x`, { method: "PUT" })).json();
    redis.kill("SIGCONT");
    await until(async () => (await kit.health()).status === "ok", "Redis answers again");
    expect([await read(), await read(`${url}/wrapped`)]).toEqual([2, 2]);
    await until(async () => (await read(`${otherUrl}/x`)) === 2, "the purge is made up for");
    await until(
      async () => (await fetch(`${url}/x`)).headers.get("cache-status")!.includes("hit"),
      "it is served again",
    );
    await redis.stop();
  });
});

describe("bytes that are no entry", () => {
  it.each(["", "no line end", "{broken\n", '{"status":"200"}\n', '{"status":200}\n'])(
    "%j are a miss, and are written over",
    async (bytes) => {
      const redis = await startRedis();
      const kit = makeKit({ redis: redis.url });
      const app = express().get("/x", kit.cache("x", { scope: "public" }), (_req, res) => {
        res.json("fresh");
      });
      const url = await serve(app);
      await (await fetch(`${url}/x`)).text();
      await redis.client.set("cache:x", bytes);
      const response = await fetch(`${url}/x`);
      expect(await response.json()).toBe("fresh");
      expect(response.headers.get("cache-status")).toMatch(/fwd=miss/);
      await redis.stop();
    },
  );
});
