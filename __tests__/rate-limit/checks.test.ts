import { describe, expect, it } from "@jest/globals";
import { createServer } from "node:http";
import express from "express";
import request from "supertest";
import type { Kit, KitOptions, RateLimitOptions } from "express-redis-kit";
import { createLog, makeKit } from "../support/kit.ts";
import { EXPRESSES } from "../support/shells.ts";

const DEVELOPMENT = { NODE_ENV: "development" };

/** A kit, and the warnings that it gave since it was started. */
function start(options: KitOptions = {}, env: Record<string, string> = DEVELOPMENT) {
  const logger = createLog();
  const kit = makeKit({ redis: false, logger, ...options }, env);
  return {
    kit,
    warnings: () =>
      logger.lines.filter((line) => line.startsWith("warn") && !line.includes("memory")),
  };
}

const ok = (_req: express.Request, res: express.Response) => void res.end("ok");

function appWith(kit: Kit, trust: unknown, options: RateLimitOptions = {}): express.Express {
  return express().set("trust proxy", trust).use(kit.rateLimit(options), ok);
}

describe("a check tells once", () => {
  it("that `trust proxy` is missing behind a proxy", async () => {
    const { kit, warnings } = start();
    const app = appWith(kit, false);
    await request(app).get("/").expect(200);
    expect(warnings()).toEqual([]);
    for (const _ of [1, 2]) await request(app).get("/").set("X-Forwarded-For", "192.0.2.1");
    expect(warnings()).toHaveLength(1);
    expect(warnings()[0]).toMatch(/X-Forwarded-For.*app\.set\('trust proxy', 1\)/);
  });

  it("the same in production, where it matters", async () => {
    const { createKit } = await import("express-redis-kit");
    const logger = createLog();
    const env = { ...process.env };
    Object.assign(process.env, { NODE_ENV: "production", SESSION_SECRET: "x" });
    const kit = createKit({ redis: "redis://127.0.0.1:1", logger });
    process.env = env;
    try {
      await request(appWith(kit, false)).get("/").set("X-Forwarded-For", "192.0.2.1");
      expect(logger.lines.filter((line) => line.includes("trust proxy"))).toHaveLength(1);
    } finally {
      await kit.close();
    }
  });

  it("that it is missing without Express, by the kit's own option", async () => {
    const { kit, warnings } = start();
    const limiter = kit.rateLimit();
    const server = createServer((req, res) => limiter(req, res, () => res.end("ok")));
    await request(server).get("/").set("X-Forwarded-For", "192.0.2.1");
    expect(warnings()).toHaveLength(1);
    expect(warnings()[0]).toMatch(/createKit\(\{ trustProxy: 1 \}\)/);
  });

  it.each([[true], [() => true]])("that `trust proxy` trusts everybody: %p", async (trust) => {
    const { kit, warnings } = start();
    await request(appWith(kit, trust)).get("/");
    expect(warnings()).toHaveLength(1);
    expect(warnings()[0]).toMatch(/choose the address/);
  });

  it.each([[1], ["loopback"]])("nothing where `trust proxy` is %p", async (trust) => {
    const { kit, warnings } = start();
    await request(appWith(kit, trust)).get("/").set("X-Forwarded-For", "192.0.2.1").expect(200);
    expect(warnings()).toEqual([]);
  });

  it.each(EXPRESSES)(
    "that a limiter is made while a request is handled: $name",
    async ({ express: shell }) => {
      const { kit, warnings } = start();
      kit.rateLimit("outside");
      expect(warnings()).toEqual([]);
      const app = shell();
      app.use((req, res, next) => kit.rateLimit("inside")(req, res, next), ok);
      for (const _ of [1, 2]) await request(app).get("/").expect(200);
      expect(warnings()).toHaveLength(1);
      expect(warnings()[0]).toMatch(/rateLimit\('inside'\).*make a limiter once/);
    },
  );

  it("the same under node:http, and behind a body parser", async () => {
    const { kit, warnings } = start();
    const server = createServer((req, res) => kit.rateLimit("plain")(req, res, () => res.end()));
    await request(server).get("/").expect(200);
    expect(warnings()).toHaveLength(1);
    const app = express().use(
      express.json(),
      (req, res, next) => kit.rateLimit("parsed")(req, res, next),
      ok,
    );
    await request(app).post("/").send({ a: 1 }).expect(200);
    expect(warnings()).toHaveLength(2);
  });

  it("that one request is counted twice on one key", async () => {
    const { kit, warnings } = start();
    const limiter = kit.rateLimit();
    const app = express().use(limiter).get("/", limiter, ok);
    app.get("/other", kit.rateLimit("other"), ok);
    await request(app).get("/other").expect(200);
    expect(warnings()).toEqual([]);
    for (const _ of [1, 2]) await request(app).get("/").expect(200);
    expect(warnings()).toHaveLength(1);
    expect(warnings()[0]).toMatch(/counted one request on the same key/);
    const { headers } = await request(app).get("/");
    expect(headers["ratelimit"]).toMatch(/"api";r=9\d;.*"api";r=9\d;/);
  });

  it("nothing in a test run", async () => {
    const { kit, warnings } = start({}, { NODE_ENV: "test" });
    await request(appWith(kit, true)).get("/").set("X-Forwarded-For", "192.0.2.1");
    expect(warnings()).toEqual([]);
  });

  it.each<[string, RateLimitOptions]>([
    ["validate: false", { validate: false }],
    ["each by its name", { validate: { xForwardedForHeader: false, trustProxy: false } }],
    ["all by default", { validate: { default: false } }],
  ])("nothing where it is turned off: %s", async (_name, options) => {
    const { kit, warnings } = start();
    await request(appWith(kit, false, options))
      .get("/")
      .set("X-Forwarded-For", "192.0.2.1");
    await request(appWith(kit, true, options)).get("/");
    expect(warnings()).toEqual([]);
  });

  it("the limiter's own logger, where it has one", async () => {
    const { kit, warnings } = start();
    const lines: unknown[] = [];
    const logger = { warn: (line: unknown) => void lines.push(line), error: () => {} };
    await request(appWith(kit, true, { logger })).get("/");
    expect(warnings()).toEqual([]);
    expect(lines).toHaveLength(1);
  });
});
