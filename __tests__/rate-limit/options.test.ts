import { describe, expect, it } from "@jest/globals";
import express from "express";
import request from "supertest";
import type { RateLimitOptions } from "express-redis-kit";
import { createLog, makeKit } from "../support/kit.ts";
import { until } from "../support/redis-server.ts";

/** What the shell's users read from `req.rateLimit`. */
interface Info {
  limit: number;
  used: number;
  remaining: number;
  resetTime: Date;
  key: string;
}

const ok = (_req: express.Request, res: express.Response) => void res.end("ok");

function appWith(options: RateLimitOptions, handler: express.RequestHandler = ok) {
  const kit = makeKit({ redis: false });
  return express().use(kit.rateLimit(options), handler);
}

describe("express-rate-limit's options", () => {
  it("handler takes over the refusal, with the fields written", async () => {
    const app = appWith({
      limit: 0,
      handler: (_req, res, _next, options) => {
        res.status(options.statusCode).json({ own: true });
      },
    });
    const { body, headers } = await request(app).get("/").expect(429);
    expect(body).toEqual({ own: true });
    expect(headers["retry-after"]).toMatch(/^[1-9]/);
    expect(headers["ratelimit"]).toMatch(/^"api";r=0/);
  });

  it("handler may let the request go on; the fields are not written twice", async () => {
    const app = appWith({ limit: 0, handler: (_req, _res, next) => next() });
    const { headers } = await request(app).get("/").expect(200);
    expect(headers["ratelimit"]).toMatch(/^"api";r=0;t=\d+$/);
    expect(headers["ratelimit-policy"]).toBe('"api";q=0;w=60');
  });

  it("handler may pass an error on", async () => {
    const app = appWith({
      limit: 0,
      handler: (_req, _res, next) => next(Object.assign(new Error("x"), { status: 418 })),
    });
    await request(app).get("/").expect(418);
  });

  it("handler that rejects reaches the error handler", async () => {
    const app = appWith({
      limit: 0,
      handler: async () => {
        throw Object.assign(new Error("x"), { status: 418 });
      },
    });
    await request(app).get("/").expect(418);
  });

  it("message may be text, JSON, or a function of the request", async () => {
    const text = await request(appWith({ limit: 0, message: "slow down" })).get("/");
    expect([text.status, text.text]).toEqual([429, "slow down"]);
    const json = await request(appWith({ limit: 0, message: { error: "slow" } })).get("/");
    expect([json.status, json.body]).toEqual([429, { error: "slow" }]);
    const made = appWith({ limit: 0, message: async (req: express.Request) => `no ${req.path}` });
    expect((await request(made).get("/a")).text).toBe("no /a");
  });

  it("statusCode replaces 429, in the body too", async () => {
    const { body } = await request(appWith({ limit: 0, statusCode: 420 }))
      .get("/")
      .expect(420);
    expect(body).toMatchObject({ status: 420 });
  });

  it("skip leaves a request out, and its fields too", async () => {
    const app = appWith({ limit: 1, skip: async (req) => req.path === "/health" });
    for (let index = 0; index < 3; index++) {
      const { headers } = await request(app).get("/health").expect(200);
      expect(headers["ratelimit"]).toBeUndefined();
    }
    await request(app).get("/").expect(200);
    await request(app).get("/").expect(429);
  });

  it("keyGenerator may answer later, and its rejection reaches the error handler", async () => {
    const app = appWith({
      limit: 1,
      keyGenerator: async (req) => {
        if (req.path === "/bad") throw Object.assign(new Error("x"), { status: 418 });
        return req.path;
      },
    });
    await request(app).get("/a").expect(200);
    await request(app).get("/b").expect(200);
    await request(app).get("/a").expect(429);
    await request(app).get("/bad").expect(418);
  });

  it.each([undefined, null, {}, true, ""])("keyGenerator must not answer %p", async (value) => {
    const app = appWith({ keyGenerator: () => value as string });
    const { text } = await request(app).get("/").expect(500);
    expect(text).toContain("INVALID_OPTION");
  });

  it("limit may be a function, evaluated once a request", async () => {
    let calls = 0;
    const app = appWith({
      limit: async (req) => {
        calls++;
        return req.get("X-Paid") ? 3 : 1;
      },
    });
    const free = await request(app).get("/").expect(200);
    expect(free.headers["ratelimit-policy"]).toBe('"api";q=1;w=60');
    await request(app).get("/").expect(429);
    const paid = await request(app).get("/").set("X-Paid", "1").expect(200);
    expect(paid.headers["ratelimit-policy"]).toBe('"api";q=3;w=60');
    expect(calls).toBe(3);
  });

  it.each([-1, 1.5, Number.NaN, "5"])("limit must not answer %p", async (value) => {
    const app = appWith({ limit: () => value as number });
    expect((await request(app).get("/").expect(500)).text).toContain("INVALID_OPTION");
  });

  it("max and windowMs are other names; both names together are an error", async () => {
    const { headers } = await request(appWith({ max: 7, windowMs: 5000 })).get("/");
    expect(headers["ratelimit-policy"]).toBe('"api";q=7;w=5');
    expect(() => appWith({ max: 7, limit: 7 })).toThrow(/INVALID_OPTION/);
    expect(() => appWith({ windowMs: 5000, window: "5s" })).toThrow(/INVALID_OPTION/);
  });

  it("requestPropertyName names where the numbers are", async () => {
    const seen: (Info | undefined)[] = [];
    const app = appWith({ limit: 2, requestPropertyName: "quota" }, (req, res) => {
      seen.push((req as unknown as { quota?: Info }).quota);
      res.end(String("rateLimit" in req));
    });
    expect((await request(app).get("/")).text).toBe("false");
    await request(app).get("/").expect(200);
    expect(seen).toMatchObject([
      { limit: 2, used: 1, remaining: 1, key: expect.stringMatching(/^ratelimit:api:/) },
      { limit: 2, used: 2, remaining: 0 },
    ]);
    expect(seen[0]!.resetTime.getTime()).toBeGreaterThan(Date.now());
    expect((seen[0] as unknown as { current: number }).current).toBe(1);
  });

  it("requestWasSuccessful that throws counts the request, and is logged", async () => {
    const logger = createLog();
    const kit = makeKit({ redis: false, logger });
    const app = express().use(
      kit.rateLimit({
        limit: 1,
        skipSuccessfulRequests: true,
        requestWasSuccessful: () => {
          throw new Error("broken");
        },
      }),
      ok,
    );
    await request(app).get("/").expect(200);
    await until(() => logger.lines.length > 0, "the failure is logged");
    expect(logger.lines[0]).toMatch(/^error .*requestWasSuccessful.*broken/);
    await request(app).get("/").expect(429);
  });
});
