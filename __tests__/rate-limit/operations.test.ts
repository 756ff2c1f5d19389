import { describe, expect, it } from "@jest/globals";
import express from "express";
import type { Kit, RateLimitOptions } from "express-redis-kit";
import { describeBackends } from "../support/backends.ts";
import { makeKit, serve } from "../support/kit.ts";
import { send } from "../support/raw.ts";
import { until } from "../support/redis-server.ts";

const IP = "127.0.0.1";

async function start(kit: Kit, options: RateLimitOptions, type = "api"): Promise<string> {
  return serve(express().use(kit.rateLimit(type, options), (_req, res) => void res.end("ok")));
}

describeBackends("peek, reset and block", (backend) => {
  describe.each(["sliding-window", "token-bucket", "fixed-window"] as const)("%s", (algorithm) => {
    it("peek says what was used without counting, and 0 of a key that was never seen", async () => {
      const kit = makeKit(backend.options());
      const url = await start(kit, { limit: 3, algorithm });
      expect(await kit.rateLimit.peek("api", "192.0.2.1")).toMatchObject({
        limit: 3,
        window: 60_000,
        used: 0,
        remaining: 3,
        retryAfter: 0,
        blockedFor: 0,
      });
      await send(url);
      await send(url);
      for (let again = 0; again < 3; again++) {
        const state = await kit.rateLimit.peek("api", IP);
        expect(state).toMatchObject({ used: 2, remaining: 1, retryAfter: 0 });
        expect(state.reset).toBeGreaterThan(0);
      }
      await send(url);
      await send(url);
      const { used, remaining, retryAfter } = await kit.rateLimit.peek("api", IP);
      expect([used >= 3, remaining]).toEqual([true, 0]);
      expect(retryAfter).toBeGreaterThan(0);
    });

    it("reset lets an identity begin anew, at once in this process", async () => {
      const kit = makeKit(backend.options());
      const url = await start(kit, { limit: 1, algorithm });
      await send(url);
      expect((await send(url)).status).toBe(429);
      expect(await kit.rateLimit.reset("api", IP)).toBe(true);
      expect(await kit.rateLimit.reset("api", IP)).toBe(false);
      expect((await send(url)).status).toBe(200);
      expect((await send(url)).status).toBe(429);
    });

    it("block refuses everything of an identity for its time, and reset lifts it", async () => {
      const kit = makeKit(backend.options());
      const url = await start(kit, { limit: 10, algorithm });
      await send(url);
      await kit.rateLimit.block("api", IP, "90s");
      const refused = await send(url);
      expect(refused.status).toBe(429);
      expect(Number(refused.headers["retry-after"])).toBeGreaterThan(80);
      expect(refused.headers["ratelimit"]).toMatch(/^"api";r=0;t=(90|89|88)$/);
      const { blockedFor, retryAfter, remaining } = await kit.rateLimit.peek("api", IP);
      expect(blockedFor).toBeGreaterThan(80_000);
      expect(retryAfter).toBeGreaterThanOrEqual(blockedFor);
      expect(remaining).toBe(0);
      await kit.rateLimit.reset("api", IP);
      expect((await send(url)).status).toBe(200);
    });

    it("a block reaches other processes through Redis", async () => {
      const kit = makeKit(backend.options());
      const other = backend.name === "redis" ? makeKit(backend.options()) : kit;
      const url = await start(kit, { limit: 10, algorithm });
      const elsewhere = await start(other, { limit: 10, algorithm });
      await send(elsewhere);
      await kit.rateLimit.block("api", IP, "1m");
      expect((await send(elsewhere)).status).toBe(429);
      expect((await send(url)).status).toBe(429);
    });
  });

  it("a block ends by itself, and what was counted before it still counts", async () => {
    const kit = makeKit(backend.options());
    const url = await start(kit, { limit: 3, window: "1h" });
    await send(url);
    await kit.rateLimit.block("api", IP, 30);
    let after = await send(url);
    await until(async () => {
      after = await send(url);
      return after.status === 200;
    }, "the block ends");
    expect(after.headers["ratelimit"]).toMatch(/r=1;/);
  });

  it("take addresses in any spelling, and the keys of the auth preset by their parts", async () => {
    const kit = makeKit(backend.options());
    kit.rateLimit();
    kit.rateLimit("auth");
    await kit.rateLimit.block("api", "2001:DB8:0:1ff::1", "1m");
    await kit.rateLimit.block("auth", ["::ffff:192.0.2.1", " ADA "], "1m");
    await kit.rateLimit.block("auth-account", "Ada", "1m");
    const blocked = async (type: string, id: string | string[]) =>
      (await kit.rateLimit.peek(type, id)).blockedFor > 0;
    expect(await blocked("api", "2001:db8:0:100::9")).toBe(true);
    expect(await blocked("api", "2001:db8:0:200::9")).toBe(false);
    expect(await blocked("auth", ["192.0.2.1", "ada"])).toBe(true);
    expect(await blocked("auth-account", "ADA")).toBe(true);
    expect(await blocked("auth-ip", "192.0.2.1")).toBe(false);
  });

  it("look at every window, and at the one that stops first", async () => {
    const kit = makeKit(backend.options());
    const windows = [
      { limit: 5, window: "1m" },
      { limit: 2, window: "1h" },
    ];
    const url = await start(kit, { windows });
    await send(url);
    expect(await kit.rateLimit.peek("api", IP)).toMatchObject({
      limit: 2,
      remaining: 1,
      windows: [
        { limit: 5, window: 60_000, used: 1, remaining: 4 },
        { limit: 2, window: 3_600_000, used: 1, remaining: 1 },
      ],
    });
  });
});

describe("a limiter", () => {
  it("has resetKey and getKey, as express-rate-limit's has", async () => {
    const kit = makeKit();
    const limiter = kit.rateLimit({ limit: 1 });
    const url = await serve(express().use(limiter, (_req, res) => void res.end("ok")));
    expect(await limiter.getKey(IP)).toBeUndefined();
    await send(url);
    expect(await limiter.getKey(IP)).toMatchObject({ totalHits: 1, resetTime: expect.any(Date) });
    await limiter.resetKey(IP);
    expect(await limiter.getKey(IP)).toBeUndefined();
    expect((await send(url)).status).toBe(200);
  });
});

describe("what the operations refuse", () => {
  const code = (name: string) => expect.objectContaining({ code: name });

  it("a type that no limiter has, except the presets", async () => {
    const { rateLimit } = makeKit();
    await expect(rateLimit.peek("nope", IP)).rejects.toEqual(code("RATE_LIMIT_UNKNOWN_TYPE"));
    await expect(rateLimit.block("nope", IP, "1m")).rejects.toEqual(
      code("RATE_LIMIT_UNKNOWN_TYPE"),
    );
    expect(await rateLimit.reset("nope", IP)).toBe(false);
    for (const type of ["api", "auth-ip"]) {
      expect((await rateLimit.peek(type, IP)).used).toBe(0);
    }
  });

  it("limits that are functions, unless they are said", async () => {
    const { rateLimit } = makeKit();
    rateLimit("plan", { limit: () => 5 });
    await expect(rateLimit.peek("plan", IP)).rejects.toEqual(code("INVALID_OPTION"));
    expect(await rateLimit.peek("plan", IP, { limit: 7 })).toMatchObject({ limit: 7, used: 0 });
  });

  it.each([
    ["an empty identity", "api", ""],
    ["a blank account", "auth-account", " "],
    ["an address and a blank account", "auth", ["192.0.2.1", " "]],
    ["one part of two", "auth", "192.0.2.1"],
    ["three parts of two", "auth", ["192.0.2.1", "a", "b"]],
    ["a type that is no word", "a:b", "x"],
  ])("%s", async (_name, type, id) => {
    const { rateLimit } = makeKit();
    await expect(rateLimit.block(type, id, "1m")).rejects.toEqual(code("INVALID_OPTION"));
  });

  it("a duration that is none", async () => {
    const { rateLimit } = makeKit();
    await expect(rateLimit.block("api", IP, "soon")).rejects.toEqual(code("INVALID_DURATION"));
  });
});
