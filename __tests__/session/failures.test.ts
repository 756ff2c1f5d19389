import { afterAll, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import express from "express";
import type { KitEvents } from "express-redis-kit";
import request from "supertest";
import { makeKit, serve } from "../support/kit.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { createSessionApp } from "../support/session-actions.ts";

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis();
});
beforeEach(async () => {
  await redis.client.flushall();
});
afterAll(() => redis.stop());

async function start() {
  const kit = makeKit({ redis: redis.url, deadline: 150 });
  await kit.ready();
  const reports: KitEvents["redis-error"][] = [];
  kit.on("redis-error", (report) => void reports.push(report));
  const app = createSessionApp(kit);
  return { kit, app, url: await serve(app), reports };
}

/** Runs `work` while Redis is frozen. */
async function frozen<T>(work: () => Promise<T>): Promise<T> {
  redis.kill("SIGSTOP");
  try {
    return await work();
  } finally {
    redis.kill("SIGCONT");
  }
}

describe("while Redis is frozen", () => {
  it("requests with a session cookie get 503 and Retry-After, others pass as anonymous", async () => {
    const { url } = await start();
    const browser = request.agent(url);
    await browser.post("/set").send({ a: 1 });
    await frozen(async () => {
      const refused = await browser.get("/");
      expect(refused.status).toBe(503);
      expect(refused.headers["retry-after"]).toBe("1");
      expect(refused.body.code).toBe("SESSION_UNAVAILABLE");
      const anonymous = await request(url).get("/");
      expect(anonymous.status).toBe(200);
      expect(anonymous.body.data).toEqual({});
    });
  });

  it("a login fails closed: 503, no cookie, and no id that is valid afterwards", async () => {
    const { url } = await start();
    const browser = request.agent(url);
    await browser.post("/set").send({ cart: "full" });
    const answer = await frozen(() => request(url).post("/login").send({ user: "7" }));
    expect(answer.status).toBe(503);
    expect(answer.body.code).toBe("GUARD_UNREACHABLE");
    expect(answer.headers["set-cookie"]).toBeUndefined();
  });

  it("a login leaves the request the session that it had", async () => {
    const { kit, app } = await start();
    app.post("/try", async (req, res) => {
      const { sessionID } = req;
      redis.kill("SIGSTOP");
      const code = await kit.login(req, "7").catch((error: { code: string }) => error.code);
      redis.kill("SIGCONT");
      res.json({ code, isSame: req.sessionID === sessionID, user: req.session.userId ?? null });
    });
    const browser = request.agent(await serve(app));
    await browser.post("/set").send({ cart: "full" });
    const answer = await browser.post("/try");
    expect(answer.body).toEqual({ code: "GUARD_UNREACHABLE", isSame: true, user: null });
  });

  it("a logout says so, and the session is still there", async () => {
    const { url } = await start();
    const browser = request.agent(url);
    await browser.post("/login").send({ user: "7" });
    const answer = await frozen(() => browser.post("/logout"));
    expect(answer.status).toBe(503);
  });
});

describe("what stands in a session's key", () => {
  it.each(["{", "[]", "5", "null", '"x"', "{}", '{"cookie":5}', '{"cookie":null}'])(
    "and is no session (%s) is dropped and reported; the request goes on as anonymous",
    async (text) => {
      const { url, reports } = await start();
      const browser = request.agent(url);
      const { id } = (await browser.post("/set").send({ a: 1 })).body;
      await redis.client.set(`session:${id}`, text);
      const answer = await browser.get("/").expect(200);
      expect(answer.body.data).toEqual({});
      expect(await redis.client.exists(`session:${id}`)).toBe(0);
      expect(reports.map(({ error }) => error.code)).toEqual(["SESSION_CORRUPT"]);
    },
  );

  it("I8: without the user's Set, or outside of it, no access", async () => {
    const { url } = await start();
    const browser = request.agent(url);
    await browser.post("/login").send({ user: "7" });
    await redis.client.del("user:7:sessions");
    expect((await browser.get("/")).body).toMatchObject({ data: {}, ended: "revoked" });
    await browser.post("/login").send({ user: "7" });
    const [id] = (await redis.client.smembers("user:7:sessions")) as [string];
    await redis.client.srem("user:7:sessions", id);
    await redis.client.sadd("user:7:sessions", "another");
    expect((await browser.get("/")).body).toMatchObject({ ended: "signed-in-elsewhere" });
  });

  it("I6: stale members never block a login, and are pruned", async () => {
    const { url } = await start();
    await redis.client.sadd("user:7:sessions", "stale-1", "stale-2");
    const browser = request.agent(url);
    const { id } = (await browser.post("/login").send({ user: "7" }).expect(200)).body;
    expect(await redis.client.smembers("user:7:sessions")).toEqual([id]);
  });

  it("lets a login fail closed where the Set is no Set", async () => {
    const { url } = await start();
    await redis.client.set("user:7:sessions", "not a set", "PX", 60_000);
    const answer = await request(url).post("/login").send({ user: "7" });
    expect([answer.status, answer.body.code]).toEqual([503, "GUARD_UNREACHABLE"]);
    expect(await redis.client.keys("session:*")).toEqual([]);
  });
});

describe("I7, every key has a time to live", () => {
  const ttl = (key: string) => redis.client.pttl(key);

  it("after all that a session can go through", async () => {
    const { url } = await start();
    const [first, second] = [request.agent(url), request.agent(url)];
    await first.post("/set").send({ a: 1 });
    await first.post("/login").send({ user: "7", keep: ["a"] });
    await second.post("/login").send({ user: "7" });
    await second.post("/set").send({ b: 1 });
    await second.post("/regenerate").send({ userId: "7" });
    await first.get("/");
    await first.post("/login").send({ user: "8" });
    const keys = await redis.client.keys("*");
    expect(keys.length).toBeGreaterThan(3);
    expect(Math.min(...(await Promise.all(keys.map(ttl))))).toBeGreaterThan(0);
  });

  it("that is the idle timeout, capped by the absolute one, and moved by a request", async () => {
    const kit = makeKit({ redis: redis.url });
    const app = createSessionApp(kit, { idle: "1h", absolute: "90m" });
    const browser = request.agent(await serve(app));
    const { id } = (await browser.post("/login").send({ user: "7" })).body;
    const key = `session:${id}`;
    expect(await ttl(key)).toBeGreaterThan(3_590_000);
    expect(await ttl("user:7:sessions")).toBeGreaterThan(90 * 60_000);
    // An hour ago, as far as the session knows: 30 minutes are left of its absolute lifetime.
    const aged = JSON.parse((await redis.client.get(key))!) as { $kit: { created: number } };
    aged.$kit.created -= 3_600_000;
    await redis.client.set(key, JSON.stringify(aged), "PX", 1000);
    await browser.get("/").expect(200);
    expect(await ttl(key)).toBeGreaterThan(1_700_000);
    expect(await ttl(key)).toBeLessThanOrEqual(1_800_000);
    // Past its end, whatever the key's own time to live.
    aged.$kit.created -= 3_600_000;
    await redis.client.set(key, JSON.stringify(aged), "PX", 60_000);
    expect((await browser.get("/")).body.data).toEqual({});
    expect(await redis.client.exists(key)).toBe(0);
    expect(await redis.client.smembers("user:7:sessions")).toEqual([]);
  });

  it("moves at most once per twentieth of the session's lifetime", async () => {
    const kit = makeKit({ redis: redis.url });
    const browser = request.agent(await serve(createSessionApp(kit)));
    const { id } = (await browser.post("/set").send({ a: 1 })).body;
    await browser.get("/");
    await redis.client.pexpire(`session:${id}`, 50_000);
    await browser.get("/");
    expect(await ttl(`session:${id}`)).toBeLessThanOrEqual(50_000);
  });

  it("of a session with a maxAge of its own follows that, and the JSON says so on load", async () => {
    const kit = makeKit({ redis: redis.url });
    const app = createSessionApp(kit, { cookie: { maxAge: 120_000 } });
    app.get("/expires", (req, res) => {
      res.json(req.session.cookie.expires);
    });
    const browser = request.agent(await serve(app));
    const { id } = (await browser.post("/set").send({ a: 1 })).body;
    expect(await ttl(`session:${id}`)).toBeLessThanOrEqual(120_000);
    const stale = (await redis.client.get(`session:${id}`))!.replace(
      /"expires":"[^"]+"/,
      '"expires":"2020-01-01T00:00:00.000Z"',
    );
    await redis.client.set(`session:${id}`, stale, "PX", 60_000);
    const expires = new Date((await browser.get("/expires")).body as string).getTime();
    expect(expires).toBeGreaterThan(Date.now() + 100_000);
  });
});

describe("a call without session()", () => {
  it("is an error that says what to mount", async () => {
    const kit = makeKit();
    const app = express().get("/", async (req, res) => {
      const codes = [kit.login(req, "7"), kit.logout(req)].map((call) =>
        call.catch((error: { code: string }) => error.code),
      );
      res.json(await Promise.all(codes));
    });
    expect((await request(app).get("/")).body).toEqual([
      "SESSION_NOT_MOUNTED",
      "SESSION_NOT_MOUNTED",
    ]);
  });
});
