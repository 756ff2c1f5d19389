/** Options and callbacks that a reader found to lie, and how they go now. */
import { createServer } from "node:http";
import { describe, expect, it } from "@jest/globals";
import express from "express";
import request from "supertest";
import type { KitEvents, RateLimitOptions } from "express-redis-kit";
import { createEvents } from "../../src/observe/events.ts";
import { createSuspicion, parseSuspicion } from "../../src/rate-limit/suspicion.ts";
import { thrown } from "../support/connections.ts";
import { createLog, makeKit, serve } from "../support/kit.ts";
import { send } from "../support/raw.ts";
import { until } from "../support/redis-server.ts";

const ok = (_req: express.Request, res: express.Response) => void res.end("ok");
const IP = "127.0.0.1";

describe("a limiter behind one that counts failures", () => {
  const appWith = (handler: NonNullable<RateLimitOptions["handler"]>, status: number) => {
    const kit = makeKit();
    const outer = kit.rateLimit("outer", { limit: 3, skipSuccessfulRequests: true });
    const inner = kit.rateLimit("inner", { limit: 1, handler });
    return { kit, app: express().use(outer, inner, (_req, res) => void res.sendStatus(status)) };
  };

  it("that lets refused requests go on does not hide their failures", async () => {
    const { app } = appWith((_req, _res, next) => next(), 401);
    const statuses: number[] = [];
    for (let n = 0; n < 6; n++) statuses.push((await request(app).get("/")).status);
    expect(statuses.filter((status) => status === 401)).toHaveLength(3);
  });

  it("that answers a refusal later is not counted as a failure", async () => {
    const { app, kit } = appWith((_req, res) => {
      setImmediate(() => res.status(429).end());
    }, 200);
    for (let n = 0; n < 5; n++) await request(app).get("/");
    await until(async () => (await kit.rateLimit.peek("outer", IP)).used === 0, "nothing counts");
  });

  it("whose handler fails after next() calls it once, and says so", async () => {
    const logger = createLog();
    const kit = makeKit({ redis: false, logger });
    const limiter = kit.rateLimit({
      limit: 0,
      handler: async (_req, _res, next) => {
        next();
        throw new Error("late");
      },
    });
    const calls: unknown[] = [];
    const server = createServer((req, res) =>
      limiter(req, res, (error) => {
        calls.push(error);
        res.end();
      }),
    );
    await request(server).get("/");
    await until(() => logger.lines.length > 0, "it is logged");
    expect(calls).toEqual([undefined]);
    expect(logger.lines[0]).toMatch(/error .*handler failed after next\(\).*late/);
  });
});

describe("shadow", () => {
  it("refuses nobody: not a denied address, and not while Redis is away", async () => {
    const kit = makeKit(
      { redis: "redis://127.0.0.1:1", connectDeadline: "50ms" },
      { NODE_ENV: "production", SESSION_SECRET: "x" },
    );
    const events: KitEvents["limited"][] = [];
    kit.on("limited", (event) => events.push(event));
    const denying = kit.rateLimit("a", { shadow: true, deny: IP });
    const closed = kit.rateLimit("b", { shadow: true, onRedisError: "closed" });
    const app = express().use(denying, closed, ok);
    await request(app).get("/").expect(200);
    expect(events).toMatchObject([{ type: "a", denied: true, shadow: true }]);
  });
});

describe("the arguments of rateLimit()", () => {
  it("may be undefined and options", async () => {
    const app = express().use(makeKit().rateLimit(undefined, { limit: 7 }), ok);
    expect((await request(app).get("/")).headers["ratelimit-policy"]).toBe('"api";q=7;w=60');
  });

  it.each<[unknown, unknown]>([
    [{ limit: 7 }, { limit: 1 }],
    [5, undefined],
    [null, undefined],
    [["api"], undefined],
    ["api", 5],
  ])("%p, %p are an error", (first, second) => {
    expect(
      thrown(() => makeKit().rateLimit(first as string, second as RateLimitOptions)).code,
    ).toBe("INVALID_OPTION");
  });
});

describe("req.rateLimit.key", () => {
  it.each([undefined, "auth"])("is what resetKey and getKey take: %p", async (type) => {
    const kit = makeKit();
    const keys: string[] = [];
    const limiter = kit.rateLimit(type, { limit: 1, requestPropertyName: "quota" });
    const app = express().use(limiter, (req, res) => {
      keys.push((req as unknown as { quota: { key: string } }).quota.key);
      res.sendStatus(401);
    });
    await request(app).get("/").expect(401);
    await until(async () => (await limiter.getKey(keys[0]!)) !== undefined, "it has counted");
    await limiter.resetKey(keys[0]!);
    expect(await limiter.getKey(keys[0]!)).toBeUndefined();
  });
});

describe("identities", () => {
  it("whose subnet depends on the request need their prefix by hand", async () => {
    const kit = makeKit();
    kit.rateLimit("v6", { ipv6Subnet: () => 64 });
    await expect(kit.rateLimit.block("v6", "2001:db8::1", "1m")).rejects.toMatchObject({
      code: "INVALID_OPTION",
      message: expect.stringContaining("2001:db8::/64"),
    });
    await kit.rateLimit.block("v6", "2001:db8:1:2ff::/64", "1m");
    expect((await kit.rateLimit.peek("v6", "2001:db8:1:2ff::/64")).blockedFor).toBeGreaterThan(0);
    expect((await kit.rateLimit.peek("v6", "192.0.2.1")).used).toBe(0);
  });

  it("of no part are an error, by hand and from `by`", async () => {
    const kit = makeKit();
    const app = express()
      .set("env", "test")
      .use(kit.rateLimit("t", { by: () => [[]] }), ok);
    await request(app).get("/").expect(500);
    await expect(kit.rateLimit.block("t", [], "1m")).rejects.toMatchObject({
      code: "INVALID_OPTION",
    });
  });

  it("under one policy are one item in the header fields", async () => {
    const by = () => ["a", "b", "c"];
    const url = await serve(express().use(makeKit().rateLimit("t", { limit: 1, by }), ok));
    const first = await send(url);
    expect(first.headers["ratelimit-policy"]).toBe('"t";q=1;w=60');
    await until(async () => (await send(url)).headers["retry-after"] !== "1", "all are counted");
    const refused = await send(url, { headers: { Accept: "application/json" } });
    expect(JSON.parse(refused.body.toString())).toMatchObject({ "violated-policies": ["t"] });
  });

  it("may be of an account that is found later", async () => {
    const account = async (req: express.Request) => req.get("X-Account");
    const limiter = makeKit().rateLimit("auth", { limit: 2, account });
    const url = await serve(express().use(limiter, (_req, res) => void res.sendStatus(401)));
    const attempt = async () => (await send(url, { headers: { "X-Account": "ada" } })).status;
    expect([await attempt(), await attempt(), await attempt()]).toEqual([401, 401, 429]);
  });

  it.each([
    ["203.0.113.7:4001", "203.0.113.7"],
    ["[2001:db8::1]:4001", "2001:db8::/56"],
    ["[2001:db8::1]", "2001:db8::/56"],
    ["2001:db8::1", "2001:db8::/56"],
  ])("are addresses without a port: %s", (address, identity) => {
    expect(makeKit().identity.ip(address)).toBe(identity);
  });

  it("that two limiters of one type find differently are a conflict", () => {
    const kit = makeKit();
    kit.rateLimit("t");
    for (const options of [{ by: () => "x" }, { ipv6Subnet: 64 }] as RateLimitOptions[]) {
      expect(thrown(() => kit.rateLimit("t", options)).code).toBe("RATE_LIMIT_TYPE_CONFLICT");
    }
    expect(() => kit.rateLimit("t", { ipv6Subnet: 56 })).not.toThrow();
    kit.rateLimit("own", { by: () => "x" });
    expect(() => kit.rateLimit("own", { by: () => "y" })).not.toThrow();
  });
});

describe("header fields that hold one quota", () => {
  it.each(["draft-7", "draft-6"] as const)(
    "hold the strictest of all limiters: %s",
    async (style) => {
      const kit = makeKit();
      const options = { standardHeaders: style, legacyHeaders: true };
      const strict = kit.rateLimit("strict", { limit: 2, ...options });
      const lax = kit.rateLimit("lax", { limit: 1000, window: "1h", ...options });
      const { headers } = await request(express().use(strict, lax, ok)).get("/");
      expect(headers["x-ratelimit-limit"]).toBe("2");
      expect(headers["ratelimit-policy"]).toBe("2;w=60, 1000;w=3600");
      const limit = style === "draft-6" ? headers["ratelimit-limit"] : headers["ratelimit"];
      expect(limit).toMatch(style === "draft-6" ? /^2$/ : /^limit=2, remaining=1,/);
    },
  );
});

describe("functions that answer nonsense, or throw", () => {
  it.each([NaN, "soon", -1])("retryAfter: %p reaches the error handler", async (value) => {
    const limiter = makeKit().rateLimit({ limit: 0, retryAfter: () => value as number });
    await request(express().set("env", "test").use(limiter, ok)).get("/").expect(500);
  });

  it("a trustProxy function that throws reaches next, with `deny` and without", async () => {
    const trustProxy = () => {
      throw new Error("trust");
    };
    for (const options of [{}, { deny: "10.0.0.0/8" }]) {
      const limiter = makeKit({ redis: false, trustProxy }).rateLimit(options);
      const errors: unknown[] = [];
      const server = createServer((req, res) =>
        limiter(req, res, (error) => {
          errors.push(String(error));
          res.end();
        }),
      );
      await request(server).get("/").set("X-Forwarded-For", "192.0.2.1");
      expect(errors).toEqual(["Error: trust"]);
    }
  });
});

it("accounts of any length are watched in bounded memory, and told apart", () => {
  const events = createEvents();
  const told: { account?: string }[] = [];
  events.on("suspicious", (event) => told.push(event as { account?: string }));
  const suspect = createSuspicion(parseSuspicion({ addressesPerAccount: 2 })!, events, "auth");
  const long = "x".repeat(90_000);
  suspect("192.0.2.1", [`${long}1`]);
  suspect("192.0.2.2", [`${long}2`]);
  expect(told).toEqual([]);
  suspect("192.0.2.3", [`${long}1`]);
  expect(told).toHaveLength(1);
  expect(told[0]!.account).toMatch(/^@[\w-]{43}$/);
});
