import { channel } from "node:diagnostics_channel";
import { afterEach, describe, expect, it, jest } from "@jest/globals";
import * as bare from "express-redis-kit";
import { createKit, KitError, type KitEvents } from "express-redis-kit";
import express from "express";
import request from "supertest";
import { createLog, makeKit, serve, withEnv } from "../support/kit.ts";
import { freePort, startRedis, until } from "../support/redis-server.ts";
import manifest from "../../package.json" with { type: "json" };
import { MAJOR, VERSION } from "../../src/version.ts";

const PLACE = Symbol.for(`express-redis-kit@${MAJOR}`);
const place = globalThis as unknown as Record<symbol, bare.Kit | undefined>;

describe("the default kit", () => {
  afterEach(async () => {
    await place[PLACE]?.close();
    delete place[PLACE];
  });

  it("is made at first use, and shared through globalThis under the major version", async () => {
    expect(place[PLACE]).toBeUndefined();
    expect(await bare.health()).toMatchObject({ status: "memory" });
    const first = place[PLACE];
    expect(first).toBeDefined();
    await bare.ready();
    expect(place[PLACE]).toBe(first);
  });

  it("serves every bare function", async () => {
    const app = express();
    app.use(bare.security(), bare.rateLimit(), bare.session());
    app.get("/in", async (req, res) => {
      await bare.login(req, 5);
      res.json(req.session.userId);
    });
    app.get("/out", async (req, res) => {
      await bare.logout(req);
      res.json(req.session.userId ?? null);
    });
    app.get("/page/:id", bare.cache("page", { scope: "public" }), (req, res) => {
      res.json(req.params.id);
    });
    app.put("/page/:id", bare.cache.purges("page"), (_req, res) => {
      res.end();
    });
    const agent = request.agent(await serve(app));
    expect((await agent.get("/in")).body).toBe("5");
    expect((await agent.get("/out")).body).toBeNull();
    expect((await agent.get("/page/1")).headers["cache-status"]).toMatch(/stored/);
    expect((await agent.get("/page/1")).headers["cache-status"]).toMatch(/hit/);
    await agent.put("/page/1").expect(200);
    expect((await agent.get("/page/1")).headers["cache-status"]).toMatch(/stored/);
    expect(await bare.cache.purge("page", { id: 1 })).toBe(true);
    expect(await bare.cache.purge("page", { id: 1 })).toBe(false);
    expect(bare.sessionStore()).toHaveProperty("get");
    expect(bare.rateLimitStore("mine")).toHaveProperty("increment");
    await bare.close();
  });

  it("has the version of the package", () => {
    expect(VERSION).toBe(manifest.version);
  });
});

const MEMBERS = [
  "assertActive",
  "cache",
  "close",
  "health",
  "identity",
  "login",
  "logout",
  "off",
  "on",
  "rateLimit",
  "rateLimitStore",
  "ready",
  "security",
  "session",
  "sessionStore",
  "sessions",
];

describe("createKit()", () => {
  it("has the members of the contract that this version has", () => {
    expect(Object.keys(makeKit()).toSorted()).toEqual(MEMBERS);
  });

  it("tells listeners and diagnostics_channel, and a listener that throws breaks no request", async () => {
    const kit = makeKit();
    const seen: KitEvents["limited"][] = [];
    const published: unknown[] = [];
    const subscriber = (message: unknown) => void published.push(message);
    channel("express-redis-kit:limited").subscribe(subscriber);
    const listener = (detail: KitEvents["limited"]) => void seen.push(detail);
    kit.on("limited", listener);
    const app = express().use(kit.rateLimit({ limit: 0, by: (req) => req.url }));
    await request(app).get("/a").expect(429);
    const event = { type: "api", key: "ratelimit:api:%2Fa", policies: ["api"], repeats: 0 };
    expect(seen).toEqual([{ ...event, retryAfter: expect.any(Number) }]);
    expect(published).toEqual(seen);
    kit.off("limited", listener);
    await request(app).get("/b").expect(429);
    expect(published).toHaveLength(2);
    expect(seen).toHaveLength(1);
    channel("express-redis-kit:limited").unsubscribe(subscriber);
  });

  it("reports an exception of a listener as uncaught, after the others were told", async () => {
    const kit = makeKit();
    const scheduled = jest.spyOn(globalThis, "queueMicrotask").mockImplementation(() => {});
    const told = jest.fn();
    kit.on("cache", () => {
      throw new Error("listener");
    });
    kit.on("cache", told);
    const app = express().get("/", kit.cache("x", { scope: "public" }), (_req, res) => {
      res.end("x");
    });
    await request(app).get("/").expect(200);
    expect(told).toHaveBeenCalled();
    const [report] = scheduled.mock.calls.at(-1)!;
    expect(report).toThrow("listener");
    scheduled.mockRestore();
  });

  it("throws at construction for what is wrong, and says what was meant", () => {
    expect(() => createKit({ dedline: 5 } as never)).toThrow(/Did you mean `deadline`\?/);
    const kit = makeKit();
    expect(() => kit.session({ idel: "1h" } as never)).toThrow(/`idle`/);
    expect(() => kit.cache("a b")).toThrow(KitError);
    expect(() => kit.rateLimit("a:b")).toThrow(KitError);
    expect(() => kit.security({ hsst: false } as never)).toThrow(/`hsts`/);
  });

  it("rejects ready() with the diagnosis in production, starts all the same, and recovers", async () => {
    const redis = await startRedis({ tcp: true });
    redis.kill("SIGKILL");
    await until(() => redis.process.signalCode !== null, "redis ended");
    const log = createLog();
    const kit = makeKit({ redis: redis.url, secret: "s", logger: log }, { NODE_ENV: "production" });
    await expect(kit.ready()).rejects.toMatchObject({ code: "REDIS_UNAVAILABLE" });
    expect(await kit.health()).toMatchObject({ status: "down", problem: "REDIS_UNAVAILABLE" });
    expect(log.lines.filter((line) => line.startsWith("error"))).toHaveLength(1);
    await redis.restart();
    await until(async () => (await kit.health()).status === "ok", "the kit recovers");
    await kit.close();
    expect(await kit.health()).toMatchObject({ status: "down", problem: "KIT_CLOSED" });
    await redis.stop();
  });

  it("logs once what was chosen, without credentials", async () => {
    const log = createLog();
    const port = await freePort();
    const redis = `redis://me:hunter2@127.0.0.1:${port}/3`;
    withEnv({ NODE_ENV: "development" }, () => void makeKit({ redis, logger: log }));
    await until(() => log.lines.length >= 2, "the start's lines");
    expect(log.lines[0]).toBe(
      `info express-redis-kit: Redis at redis://127.0.0.1:${port}/3 (from options)`,
    );
    expect(log.lines.join()).not.toContain("hunter2");
  });
});
