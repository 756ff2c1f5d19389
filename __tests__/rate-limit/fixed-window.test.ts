import { afterAll, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import express from "express";
import request from "supertest";
import { createMemory } from "../../src/connection/memory/memory.ts";
import { fixedWindow } from "../../src/rate-limit/algorithms/fixed-window.ts";
import { quota, verdictOf } from "../support/limiter.ts";
import { describeBackends } from "../support/backends.ts";
import { makeKit, serve } from "../support/kit.ts";
import { send } from "../support/raw.ts";
import { type RedisServer, startRedis, until } from "../support/redis-server.ts";

const ok = (_req: express.Request, res: express.Response) => void res.end("ok");

describeBackends("the fixed window", (backend) => {
  it("admits the limit, and says when its window ends", async () => {
    const kit = makeKit(backend.options());
    const app = express().use(kit.rateLimit({ limit: 2, algorithm: "fixed-window" }), ok);
    const { headers } = await request(app).get("/").expect(200);
    expect(headers["ratelimit"]).toMatch(/^"api";r=1;t=(60|59)$/);
    await request(app).get("/").expect(200);
    const refused = await request(app).get("/").expect(429);
    expect(Number(refused.headers["retry-after"])).toBeGreaterThan(50);
  });

  it("begins again with a new window", async () => {
    const kit = makeKit(backend.options());
    const limiter = kit.rateLimit({ limit: 1, window: "300ms", algorithm: "fixed-window" });
    const app = express().use(limiter, ok);
    await request(app).get("/").expect(200);
    await until(async () => (await request(app).get("/")).status === 200, "a new window");
  });

  it("admits exactly the limit of 50 at once, from two kits", async () => {
    const first = makeKit(backend.options());
    const second = backend.name === "redis" ? makeKit(backend.options()) : first;
    const urls = await Promise.all(
      [first, second].map((kit) =>
        serve(express().use(kit.rateLimit({ limit: 13, algorithm: "fixed-window" }), ok)),
      ),
    );
    const replies = await Promise.all(
      Array.from({ length: 50 }, (_, index) => send(urls[index % 2]!)),
    );
    expect(replies.filter(({ status }) => status === 200)).toHaveLength(13);
  });

  it("counts by outcome", async () => {
    const kit = makeKit(backend.options());
    const app = express();
    app.use(kit.rateLimit({ limit: 2, algorithm: "fixed-window", skipSuccessfulRequests: true }));
    app.get("/:status", (req, res) => void res.sendStatus(Number(req.params.status)));
    for (let index = 0; index < 6; index++) {
      await until(async () => (await request(app).get("/200")).status === 200, "given back");
    }
    await request(app).get("/401");
    await until(async () => (await request(app).get("/401")).status === 429, "the limit");
  });
});

describe("the fixed window in Redis", () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis();
  });
  beforeEach(() => server.client.flushall());
  afterAll(() => server.stop());

  it("leaves no key without a TTL, however late a decrement comes", async () => {
    const kit = makeKit({ redis: server.url });
    let release = (): void => {};
    const app = express();
    app.get(
      "/",
      kit.rateLimit({
        window: "80ms",
        algorithm: "fixed-window",
        skipSuccessfulRequests: true,
      }),
      (_req, res) => {
        release = () => res.end("ok");
      },
    );
    const url = await serve(app);
    const late = send(url);
    await until(async () => (await server.client.dbsize()) === 1, "it is counted");
    await until(async () => (await server.client.dbsize()) === 0, "its window has ended");
    release();
    expect((await late).status).toBe(200);
    await kit.close(); // After the replies of commands under way.
    expect(await server.client.keys("*")).toEqual([]);
  });

  it("repairs a key that another client left without a TTL", async () => {
    const kit = makeKit({ redis: server.url });
    const app = express().use(kit.rateLimit({ limit: 2, algorithm: "fixed-window" }), ok);
    await server.client.decr("ratelimit:api:127.0.0.1");
    await request(app).get("/").expect(200);
    expect(await server.client.pttl("ratelimit:api:127.0.0.1")).toBeGreaterThan(0);
    await request(app).get("/").expect(200);
    await request(app).get("/").expect(429);
  });

  it("goes on after SCRIPT FLUSH", async () => {
    const kit = makeKit({ redis: server.url });
    const app = express().use(kit.rateLimit({ limit: 3, algorithm: "fixed-window" }), ok);
    for (let index = 0; index < 3; index++) {
      await server.client.script("FLUSH");
      await request(app).get("/").expect(200);
    }
    await server.client.script("FLUSH");
    await request(app).get("/").expect(429);
  });
});

it("recovers where Redis was down at the start", async () => {
  const server = await startRedis();
  try {
    const exited = new Promise((resolve) => server.process.once("exit", resolve));
    server.kill("SIGKILL");
    await exited;
    const kit = makeKit(
      { redis: server.url, connectDeadline: "100ms" },
      { NODE_ENV: "production", SESSION_SECRET: "x" },
    );
    const app = express().use(
      kit.rateLimit({ limit: 5, algorithm: "fixed-window", onRedisError: "closed" }),
      ok,
    );
    app.use((error: { status?: number }, _req: unknown, res: express.Response, _next: unknown) => {
      res.sendStatus(error.status ?? 500);
    });
    await request(app).get("/").expect(503);
    await request(app).get("/").expect(503);
    await server.restart();
    await until(async () => (await request(app).get("/")).status === 200, "it counts again");
    expect(await server.client.get("ratelimit:api:127.0.0.1")).toBe("1");
  } finally {
    await server.stop();
  }
});

it("gives back into its own window only", async () => {
  const memory = createMemory({ max: 10 });
  const asked = { key: "k", quotas: [quota(5, 60_000)], cost: 1 };
  const first = await fixedWindow.take(memory, asked, "take");
  await fixedWindow.take(memory, asked, "take");
  await fixedWindow.settle(memory, asked, first, "undo");
  expect(await memory.get("k")).toBe("1");
  await fixedWindow.settle(memory, asked, first, "release");
  expect(await memory.get("k")).toBeNull();
  expect(verdictOf(await fixedWindow.take(memory, asked, "look")).used).toBe(0);
});
