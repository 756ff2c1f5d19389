import { describe, expect, it } from "@jest/globals";
import express from "express";
import request from "supertest";
import type { KitEvents, RateLimitOptions } from "express-redis-kit";
import { describeBackends } from "../support/backends.ts";
import { thrown } from "../support/connections.ts";
import { makeKit } from "../support/kit.ts";
import { until } from "../support/redis-server.ts";

describeBackends("several windows, costs and limits of a request", (backend) => {
  const appFor = (options: RateLimitOptions, type = "api") => {
    const kit = makeKit(backend.options());
    const app = express().use(kit.rateLimit(type, options));
    app.get("/:status", (req, res) => void res.sendStatus(Number(req.params.status)));
    return { kit, app, get: (path = "/200") => request(app).get(path) };
  };

  describe.each(["sliding-window", "token-bucket"] as const)("%s", (algorithm) => {
    it("all windows admit a request, or none counts it; and they share one key", async () => {
      const windows = [
        { limit: 2, window: "1s" },
        { limit: 4, window: "1h" },
      ];
      const { kit, get } = appFor({ algorithm, windows });
      const first = await get();
      expect(first.headers["ratelimit-policy"]).toBe('"api-1";q=2;w=1, "api-3600";q=4;w=3600');
      expect(first.headers["ratelimit"]).toMatch(/^"api-1";r=1;t=1, "api-3600";r=3;t=\d+$/);
      await get();
      for (let again = 0; again < 5; again++) {
        const refused = await get().set("Accept", "application/json");
        if (refused.status === 200) break; // A second has passed.
        expect(JSON.parse(refused.text)).toMatchObject({ "violated-policies": ["api-1"] });
        expect(refused.headers["retry-after"]).toMatch(/^[12]$/);
      }
      const { windows: states } = await kit.rateLimit.peek("api", "127.0.0.1");
      expect(states[1]!.used).toBeLessThanOrEqual(3);
      await until(async () => {
        const { text, status } = await get().set("Accept", "application/json");
        if (status !== 429) return false;
        return (JSON.parse(text) as Record<string, string[]>)["violated-policies"]!.includes(
          "api-3600",
        );
      }, "the hour's limit is reached");
      expect((await kit.rateLimit.peek("api", "127.0.0.1")).windows[1]!.used).toBe(4);
      if (backend.name !== "redis") return;
      const { client } = backend.server();
      expect(await client.keys("*")).toEqual(["ratelimit:api:127.0.0.1"]);
      expect(await client.pttl("ratelimit:api:127.0.0.1")).toBeGreaterThan(60_000);
    });

    it("a request counts for what it costs, or not at all", async () => {
      const cost = (req: express.Request) => Number(req.get("X-Cost") ?? 1);
      const { get } = appFor({ algorithm, limit: 10, window: "1h", cost });
      expect((await get().set("X-Cost", "7")).headers["ratelimit"]).toMatch(/r=3;/);
      expect((await get().set("X-Cost", "4")).status).toBe(429);
      expect((await get().set("X-Cost", "5")).status).toBe(429);
      expect((await get().set("X-Cost", "3")).headers["ratelimit"]).toMatch(/r=0;/);
      expect((await get().set("X-Cost", "1")).status).toBe(429);
      expect((await get().set("X-Cost", "0")).status).toBe(200);
    });

    it("a request that costs nothing passes, though the limit has sunk below what is used", async () => {
      const { get } = appFor({
        algorithm,
        limit: (req) => Number(req.get("X-Limit")),
        window: "1h",
        cost: (req) => Number(req.get("X-Cost")),
      });
      const ask = async (limit: number, cost: number) =>
        (await get().set("X-Limit", `${limit}`).set("X-Cost", `${cost}`)).status;
      expect([await ask(10, 5), await ask(2, 0), await ask(2, 1), await ask(2, 0)]).toEqual([
        200, 200, 429, 200,
      ]);
    });

    it("what costs more than the limit is refused for a window, and counts nothing", async () => {
      const { get } = appFor({
        algorithm,
        limit: 3,
        window: "1h",
        cost: (req) => Number(req.get("X-Cost")),
      });
      const refused = await get().set("X-Cost", "4");
      expect([refused.status, refused.headers["retry-after"]]).toEqual([429, "3600"]);
      expect((await get().set("X-Cost", "3")).status).toBe(200);
    });

    it.each([-1, 0.5, NaN, "1", undefined])(
      "a cost of %p is an error of the app's",
      async (cost) => {
        const { app, get } = appFor({ algorithm, cost: () => cost as number });
        app.set("env", "test");
        expect((await get()).status).toBe(500);
      },
    );

    it("costs that are held are counted or released as a whole", async () => {
      const { kit, get } = appFor({
        algorithm,
        limit: 10,
        window: "1h",
        cost: 4,
        skipSuccessfulRequests: true,
      });
      const used = async () => (await kit.rateLimit.peek("api", "127.0.0.1")).used;
      await get("/200");
      await until(async () => (await used()) === 0, "the success is released");
      await get("/401");
      expect(await used()).toBe(4);
      await get("/401");
      await get("/401").expect(429);
      await until(async () => (await used()) === 8, "two failures count");
    });

    it("windows may be a plan of the request's, and one plan does not disturb the other's", async () => {
      const plans = {
        free: [{ limit: 1, window: "1h" }],
        paid: [
          { limit: 3, window: "1m" },
          { limit: 100, window: "1d" },
        ],
      };
      let calls = 0;
      const { get } = appFor({
        algorithm,
        windows: async (req) => {
          calls += 1;
          return plans[req.get("X-Plan") as "free"];
        },
      });
      const statuses: number[] = [];
      for (const plan of ["free", "free", "paid", "free", "paid", "paid", "paid", "free"]) {
        statuses.push((await get().set("X-Plan", plan)).status);
      }
      expect(statuses).toEqual([200, 429, 200, 429, 200, 200, 429, 429]);
      expect(calls).toBe(8);
    });
  });

  it("a bucket lets its burst through, and then its rate", async () => {
    const { get } = appFor({ algorithm: "token-bucket", limit: 1, window: "200ms", burst: 4 });
    const burst = await Promise.all([get(), get(), get(), get(), get()]);
    expect(burst.filter(({ status }) => status === 200).length).toBeGreaterThanOrEqual(4);
    await until(async () => (await get()).status === 429, "the bucket is empty");
    await until(async () => (await get()).status === 200, "a token has flowed in");
  });

  it("shadow counts and tells, but refuses nothing and says nothing to the client", async () => {
    const { kit, get } = appFor({ shadow: true, limit: 1 });
    const events: KitEvents["limited"][] = [];
    kit.on("limited", (event) => events.push(event));
    for (let index = 0; index < 4; index++) {
      const { status, headers } = await get();
      expect(status).toBe(200);
      expect(headers).not.toHaveProperty("ratelimit");
      expect(headers).not.toHaveProperty("ratelimit-policy");
      expect(headers).not.toHaveProperty("retry-after");
    }
    expect(events).toEqual([
      {
        type: "api",
        key: "ratelimit:api:127.0.0.1",
        policies: ["api"],
        retryAfter: expect.any(Number),
        repeats: 0,
        shadow: true,
      },
    ]);
    expect((await kit.rateLimit.peek("api", "127.0.0.1")).used).toBe(1);
  });
});

describe("options of windows and costs are checked at construction", () => {
  it.each<[string, RateLimitOptions]>([
    ["no windows", { windows: [] }],
    [
      "too many windows",
      { windows: Array.from({ length: 9 }, (_, n) => ({ limit: 1, window: n + 1 })) },
    ],
    [
      "two of one length",
      {
        windows: [
          { limit: 1, window: "60s" },
          { limit: 2, window: "1m" },
        ],
      },
    ],
    ["a negative limit", { windows: [{ limit: -1, window: "1m" }] }],
    ["a window without a limit", { windows: [{ window: "1m" } as never] }],
    ["windows and limit", { windows: [{ limit: 1, window: "1m" }], limit: 5 }],
    ["windows and windowMs", { windows: [{ limit: 1, window: "1m" }], windowMs: 5000 }],
    ["windows, fixed", { windows: [{ limit: 1, window: "1m" }], algorithm: "fixed-window" }],
    ["cost, fixed", { cost: 2, algorithm: "fixed-window" }],
    ["burst without a bucket", { burst: 5 }],
    ["burst in a window without a bucket", { windows: [{ limit: 1, window: "1m", burst: 3 }] }],
    ["a burst of 0", { algorithm: "token-bucket", burst: 0 }],
    ["a cost above the limit", { limit: 3, cost: 4 }],
    [
      "a cost above the smallest limit",
      {
        windows: [
          { limit: 9, window: 1 },
          { limit: 3, window: 2 },
        ],
        cost: 4,
      },
    ],
    ["a negative cost", { cost: -1 }],
    ["half a cost", { cost: 0.5 }],
    ["more than can be counted exactly", { limit: 1e9, window: "3650d" }],
    ["shadow that is no boolean", { shadow: "yes" as never }],
    ["windows that are no list", { windows: { limit: 1, window: 1 } as never }],
  ])("%s", (_name, options) => {
    expect(["INVALID_OPTION", "UNKNOWN_OPTION"]).toContain(
      thrown(() => makeKit().rateLimit(options)).code,
    );
  });

  it("names the window that is wrong", () => {
    const windows = [
      { limit: 1, window: "1m" },
      { limit: 1, window: "1 mintue" },
    ];
    expect(thrown(() => makeKit().rateLimit({ windows }))).toMatchObject({
      code: "INVALID_DURATION",
      message: expect.stringContaining("windows[1].window"),
    });
  });

  it("takes two limiters of one type for one only where all windows agree", () => {
    const kit = makeKit();
    const minute = { limit: 1, window: "1m" };
    kit.rateLimit("w", { windows: [minute, { limit: 5, window: "1h" }] });
    expect(() =>
      kit.rateLimit("w", { windows: [minute, { limit: 5, window: "60m" }] }),
    ).not.toThrow();
    for (const windows of [[minute], [minute, { limit: 6, window: "1h" }]]) {
      expect(thrown(() => kit.rateLimit("w", { windows })).code).toBe("RATE_LIMIT_TYPE_CONFLICT");
    }
  });
});
