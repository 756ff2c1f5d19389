import { describe, expect, it } from "@jest/globals";
import express from "express";
import { rateLimit as shell, type Options } from "express-rate-limit";
import request from "supertest";
import type { Kit, RateLimitOptions } from "express-redis-kit";
import { describeBackends } from "../support/backends.ts";
import { makeKit, serve } from "../support/kit.ts";
import { send } from "../support/raw.ts";
import { startRedis, until } from "../support/redis-server.ts";

/** express-rate-limit with its own checks on; whatever it complains about is gathered. */
function shellWith(kit: Kit, options: Partial<Options>, type?: string) {
  const complaints: unknown[] = [];
  const logger = {
    warn: (error: unknown) => void complaints.push(error),
    error: (error: unknown) => void complaints.push(error),
  };
  const limiter = shell({ store: kit.rateLimitStore(type), logger, ...options });
  const app = express();
  app.get("/:status", limiter, (req, res) => void res.sendStatus(Number(req.params["status"])));
  return { app, limiter, complaints };
}

const ok = (_req: express.Request, res: express.Response) => void res.end("ok");

describeBackends("rateLimitStore()", (backend) => {
  it("counts for one's own express-rate-limit call, without complaints", async () => {
    const { app, complaints } = shellWith(makeKit(backend.options()), {
      limit: 3,
      standardHeaders: "draft-7",
    });
    for (let used = 1; used <= 3; used++) {
      const { headers } = await request(app).get("/200").expect(200);
      expect(headers["ratelimit"]).toMatch(new RegExp(`^limit=3, remaining=${3 - used}, `));
    }
    const refused = await request(app).get("/200").expect(429);
    expect(Number(refused.headers["retry-after"])).toBeGreaterThan(0);
    await request(app).get("/200").expect(429);
    expect(complaints).toEqual([]);
  });

  it("counts for a limit that is a function", async () => {
    const { app, complaints } = shellWith(makeKit(backend.options()), { limit: () => 2 });
    await request(app).get("/200").expect(200);
    await request(app).get("/200").expect(200);
    await request(app).get("/200").expect(429);
    expect(complaints).toEqual([]);
  });

  it("gives back for skipSuccessfulRequests and skipFailedRequests", async () => {
    const kit = makeKit(backend.options());
    const failures = shellWith(kit, { limit: 2, skipSuccessfulRequests: true }, "failures");
    const successes = shellWith(kit, { limit: 2, skipFailedRequests: true }, "successes");
    for (const [{ app }, free, counted] of [
      [failures, "/200", "/500"],
      [successes, "/500", "/200"],
    ] as const) {
      for (let index = 0; index < 5; index++) {
        expect((await request(app).get(free)).status).not.toBe(429);
        // The shell gives back after the response; a second request may come before that.
        await until(async () => (await request(app).get(free)).status !== 429, "given back");
      }
      await request(app).get(counted);
      await request(app).get(counted);
      await until(async () => (await request(app).get(counted)).status === 429, "the limit");
    }
  });

  it("resets and reads a key", async () => {
    const { app, limiter } = shellWith(makeKit(backend.options()), {
      limit: 2,
      keyGenerator: () => "me:*",
    });
    expect(await limiter.getKey("me:*")).toBeUndefined();
    await request(app).get("/200").expect(200);
    expect(await limiter.getKey("me:*")).toMatchObject({ totalHits: 1 });
    await request(app).get("/200").expect(200);
    await request(app).get("/200").expect(429);
    await Promise.resolve(limiter.resetKey("me:*"));
    expect(await limiter.getKey("me:*")).toBeUndefined();
    await request(app).get("/200").expect(200);
  });

  it("shares its counts with rateLimit() of the same type, limit and window", async () => {
    const kit = makeKit(backend.options());
    const { app } = shellWith(kit, { limit: 3, windowMs: 60_000 });
    app.get("/ours/x", kit.rateLimit({ limit: 3 }), ok);
    await request(app).get("/ours/x").expect(200);
    await request(app).get("/200").expect(200);
    await request(app).get("/ours/x").expect(200);
    await request(app).get("/200").expect(429);
    await request(app).get("/ours/x").expect(429);
  });

  it("admits exactly the limit of 40 at once", async () => {
    const { app } = shellWith(makeKit(backend.options()), { limit: 9 });
    const url = await serve(app);
    const replies = await Promise.all(Array.from({ length: 40 }, () => send(`${url}/200`)));
    expect(replies.filter(({ status }) => status === 200)).toHaveLength(9);
  });
});

it("makes the key of the design, with a TTL", async () => {
  const server = await startRedis();
  try {
    const { app } = shellWith(makeKit({ redis: server.url }), { limit: 3 }, "mine");
    await request(app).get("/200").expect(200);
    expect(await server.client.keys("*")).toEqual(["ratelimit:mine:127.0.0.1"]);
    expect(await server.client.pttl("ratelimit:mine:127.0.0.1")).toBeGreaterThan(0);
  } finally {
    await server.stop();
  }
});

describe("types", () => {
  const conflict = expect.objectContaining({ code: "RATE_LIMIT_TYPE_CONFLICT" });

  it.each<[string, RateLimitOptions]>([
    ["limit", { limit: 5 }],
    ["window", { window: "2m" }],
    ["algorithm", { algorithm: "fixed-window" }],
    ["limit, as a function", { limit: () => 100 }],
  ])("that disagree in %s are refused at construction", (_name, options) => {
    const kit = makeKit({ redis: false });
    kit.rateLimit("x");
    expect(() => kit.rateLimit("x", options)).toThrow(conflict);
    expect(() => kit.rateLimit("x")).not.toThrow();
    expect(() => makeKit({ redis: false }).rateLimit("x", options)).not.toThrow();
  });

  it("that agree are accepted, however their options are written", () => {
    const kit = makeKit({ redis: false });
    const limit = () => 7;
    kit.rateLimit("a", { limit: 100, window: "60s" });
    kit.rateLimit({ type: "a", max: 100, windowMs: 60_000, standardHeaders: false });
    kit.rateLimit("b", { limit });
    kit.rateLimit("b", { limit });
    expect(() => kit.rateLimit("a")).not.toThrow();
  });

  it("that the auth preset uses are guarded too", () => {
    const kit = makeKit({ redis: false });
    kit.rateLimit("auth");
    expect(() => kit.rateLimit("auth-ip", { limit: 5 })).toThrow(conflict);
    expect(() => kit.rateLimit("auth", { limit: 5 })).toThrow(conflict);
  });

  it("of a bare store count as well: its keys would be misread", () => {
    const kit = makeKit({ redis: false });
    kit.rateLimit("x");
    expect(() => kit.rateLimitStore("x", { algorithm: "fixed-window" })).toThrow(conflict);
    kit.rateLimitStore("y", { algorithm: "fixed-window" });
    expect(() => kit.rateLimit("y")).toThrow(conflict);
  });

  it.each(["", "a:b", "a b", "*", "ä", "x".repeat(65), 7, null])("refuses the type %p", (type) => {
    const kit = makeKit({ redis: false });
    const bad = expect.objectContaining({ code: "INVALID_OPTION" });
    expect(() => kit.rateLimit({ type: type as string })).toThrow(bad);
    expect(() => kit.rateLimitStore(type as string)).toThrow(bad);
  });
});

describe("options are checked at construction", () => {
  it.each<[string, string, object]>([
    ["UNKNOWN_OPTION", "limt", { limt: 5 }],
    ["INVALID_DURATION", "mintues", { window: "15 mintues" }],
    ["INVALID_OPTION", "limit", { limit: -1 }],
    ["INVALID_OPTION", "limit", { limit: Number.NaN }],
    ["INVALID_OPTION", "algorithm", { algorithm: "slidingwindow" }],
    ["INVALID_OPTION", "onRedisError", { onRedisError: "opne" }],
    ["INVALID_OPTION", "standardHeaders", { standardHeaders: "draft-9" }],
    ["INVALID_OPTION", "skip", { skip: true }],
    ["INVALID_OPTION", "statusCode", { statusCode: "429" }],
    ["INVALID_OPTION", "legacyHeaders", { legacyHeaders: "yes" }],
    ["INVALID_OPTION", "passOnStoreError", { passOnStoreError: 1 }],
  ])("%s: %s", (code, text, options) => {
    const { rateLimit } = makeKit({ redis: false });
    expect(() => rateLimit(options as RateLimitOptions)).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(text) }),
    );
    expect(() => rateLimit("other", options as RateLimitOptions)).toThrow(
      expect.objectContaining({ code }),
    );
  });

  it("says what was meant", () => {
    const { rateLimit } = makeKit({ redis: false });
    const misspelt = { onRedisErr: "open" } as RateLimitOptions;
    expect(() => rateLimit(misspelt)).toThrow(/Did you mean `onRedisError`/);
    expect(() => rateLimit({ algorithm: "sliding" as "sliding-window" })).toThrow(
      /Did you mean 'sliding-window'|'sliding-window'/,
    );
  });
});
