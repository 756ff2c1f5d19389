import { describe, expect, it } from "@jest/globals";
import express from "express";
import request from "supertest";
import type { KitEvents, RateLimitOptions } from "express-redis-kit";
import { createSuspicion, parseSuspicion } from "../../src/rate-limit/suspicion.ts";
import { createEvents } from "../../src/observe/events.ts";
import { thrown } from "../support/connections.ts";
import { makeKit } from "../support/kit.ts";
import { until } from "../support/redis-server.ts";

describe("the event `limited`", () => {
  const start = (options: RateLimitOptions) => {
    const kit = makeKit();
    const events: KitEvents["limited"][] = [];
    kit.on("limited", (event) => events.push(event));
    const app = express().use(kit.rateLimit({ limit: 0, by: (req) => req.url, ...options }));
    return { events, refuse: (path: string) => request(app).get(path).expect(429) };
  };

  it("comes with an identity's first refusal, and not with those that follow in the window", async () => {
    const { events, refuse } = start({});
    for (const path of ["/a", "/a", "/b", "/a", "/b"]) await refuse(path);
    expect(events.map(({ key }) => key)).toEqual(["ratelimit:api:%2Fa", "ratelimit:api:%2Fb"]);
    expect(events[0]).toEqual({
      type: "api",
      key: "ratelimit:api:%2Fa",
      policies: ["api"],
      retryAfter: 60_000,
      repeats: 0,
    });
  });

  it("says in the next window how many there were", async () => {
    const { events, refuse } = start({ window: "100ms" });
    await refuse("/a");
    let refusals = 1;
    await until(async () => {
      await refuse("/a");
      refusals += 1;
      return events.length === 2;
    }, "the next window's event");
    expect(events[1]!.repeats).toBe(refusals - 2);
  });
});

describe("the event `suspicious`", () => {
  const loginApp = (options: RateLimitOptions) => {
    const kit = makeKit({ redis: false });
    const events: KitEvents["suspicious"][] = [];
    kit.on("suspicious", (event) => events.push(event));
    const app = express().set("trust proxy", true);
    app.post("/", express.json(), kit.rateLimit("auth", options), (req, res) => {
      res.sendStatus((req.body as { password?: string }).password === "right" ? 200 : 401);
    });
    const attempt = (username: string, address: string, password = "wrong") =>
      request(app).post("/").set("X-Forwarded-For", address).send({ username, password });
    return { events, attempt };
  };
  const suspicious = { accountsPerAddress: 3, addressesPerAccount: 3 };

  it("tells once of one address over many accounts", async () => {
    const { events, attempt } = loginApp({ suspicious });
    for (const name of ["a", "b", "a", "A "]) await attempt(name, "192.0.2.1").expect(401);
    expect(events).toEqual([]);
    for (const name of ["c", "d", "e"]) await attempt(name, "192.0.2.1").expect(401);
    await until(() => events.length > 0, "it is told");
    expect(events).toEqual([
      { reason: "address-over-many-accounts", type: "auth", address: "192.0.2.1", count: 3 },
    ]);
  });

  it("tells once of one account from many addresses", async () => {
    const { events, attempt } = loginApp({ suspicious });
    for (const last of [1, 2, 3, 4]) await attempt("Ada", `192.0.2.${last}`).expect(401);
    await until(() => events.length > 0, "it is told");
    expect(events).toEqual([
      { reason: "account-from-many-addresses", type: "auth", account: "ada", count: 3 },
    ]);
  });

  it("looks at refused attempts too, and not at successful ones", async () => {
    const { events, attempt } = loginApp({ suspicious, limit: 1 });
    for (const name of ["a", "b", "c", "d"]) await attempt(name, "192.0.2.1", "right").expect(200);
    expect(events).toEqual([]);
    for (const name of ["e", "e", "f", "g"]) await attempt(name, "192.0.2.2");
    await until(() => events.length > 0, "it is told");
    expect(events).toMatchObject([{ address: "192.0.2.2" }]);
  });

  it("is off with `suspicious: false`", async () => {
    const { events, attempt } = loginApp({ suspicious: false });
    for (let n = 0; n < 30; n++) await attempt(`user-${n}`, "192.0.2.1").expect(401);
    expect(events).toEqual([]);
  });

  it("has thresholds that are checked, and no limiter but auth's has them", () => {
    const kit = makeKit();
    const wrong: RateLimitOptions[] = [
      { suspicious: { accountsPerAddress: 1 } },
      { suspicious: { window: "soon" } },
      { suspicious: { accounts: 3 } as never },
      { suspicious: true as never },
    ];
    for (const options of wrong) {
      expect(thrown(() => kit.rateLimit("auth", options)).name).toBe("KitError");
    }
    expect(thrown(() => kit.rateLimit("api", { suspicious })).code).toBe("INVALID_OPTION");
  });

  it("keeps its counts in bounds: what came long ago makes room", () => {
    const events = createEvents();
    const told: unknown[] = [];
    events.on("suspicious", (event) => told.push(event));
    const suspect = createSuspicion(parseSuspicion({ accountsPerAddress: 2 })!, events, "auth");
    suspect("192.0.2.1", ["first"]);
    for (let n = 0; n < 10_000; n += 1) suspect(`10.0.${n >> 8}.${n & 255}`, [`user-${n}`]);
    suspect("192.0.2.1", ["second"]);
    expect(told).toEqual([]);
    suspect("192.0.2.1", ["third"]);
    expect(told).toHaveLength(1);
  });
});
