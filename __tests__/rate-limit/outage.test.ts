import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { once } from "node:events";
import express from "express";
import type { KitEvents, RateLimitOptions } from "express-redis-kit";
import { makeKit, serve } from "../support/kit.ts";
import { type RawReply, send } from "../support/raw.ts";
import { type RedisServer, startRedis, until } from "../support/redis-server.ts";

let server: RedisServer;
beforeEach(async () => {
  server = await startRedis();
});
afterEach(async () => {
  server.kill("SIGCONT");
  await server.stop();
});

const PRODUCTION = { NODE_ENV: "production", SESSION_SECRET: "x" };
/** Far more than a deadline of 250 ms, and far less than a client's default of 10 s and up. */
const BOUND = 4000;

async function start(options: RateLimitOptions, path: "app" | "auth" = "app") {
  const kit = makeKit({ redis: server.url }, PRODUCTION);
  const errors: KitEvents["redis-error"][] = [];
  kit.on("redis-error", (event) => void errors.push(event));
  const app = express();
  if (path === "app") app.use(kit.rateLimit(options), (_req, res) => void res.end("ok"));
  else {
    app.post("/", express.json(), kit.rateLimit("auth", options), (_req, res) => {
      res.sendStatus(401);
    });
  }
  app.use(
    (
      error: { status?: number; headers?: object; code?: string },
      _req: unknown,
      res: express.Response,
      _next: unknown,
    ) => {
      res.set({ ...error.headers }).status(error.status ?? 500);
      res.end(error.code);
    },
  );
  const url = await serve(app);
  const timed = async (): Promise<RawReply> => {
    const started = performance.now();
    const reply = await send(url);
    expect(performance.now() - started).toBeLessThan(BOUND);
    return reply;
  };
  return { kit, errors, url, timed };
}

const FAULTS: readonly [string, () => Promise<void>, () => Promise<void>][] = [
  ["frozen", async () => server.kill("SIGSTOP"), async () => server.kill("SIGCONT")],
  [
    "killed",
    async () => {
      const exited = once(server.process, "exit");
      server.kill("SIGKILL");
      await exited;
    },
    async () => server.restart(),
  ],
];

describe.each(FAULTS)("while Redis is %s", (_name, breakIt, mendIt) => {
  it("'memory' counts the same limit in this process, then in Redis again", async () => {
    const { timed, errors } = await start({ limit: 3 });
    expect((await timed()).status).toBe(200);
    await breakIt();
    const statuses: number[] = [];
    for (let index = 0; index < 5; index++) statuses.push((await timed()).status);
    expect(statuses).toEqual([200, 200, 200, 429, 429]);
    expect(errors.length).toBeGreaterThan(0);
    await mendIt();
    await until(async () => {
      const { headers } = await timed();
      const held = await server.client.get("ratelimit:api:127.0.0.1");
      return held !== null && headers["ratelimit"] !== undefined;
    }, "Redis counts again");
    expect(await server.client.pttl("ratelimit:api:127.0.0.1")).toBeGreaterThan(0);
  });

  it.each<[string, RateLimitOptions]>([
    ["'open'", { onRedisError: "open" }],
    ["passOnStoreError", { passOnStoreError: true }],
  ])("%s lets everything pass, then limits again", async (_policy, options) => {
    const { timed } = await start({ limit: 1, ...options });
    expect((await timed()).status).toBe(200);
    await breakIt();
    for (let index = 0; index < 4; index++) {
      const reply = await timed();
      expect(reply.status).toBe(200);
      expect(reply.headers["ratelimit"]).toBeUndefined();
    }
    await mendIt();
    await until(async () => (await timed()).status === 429, "the limit holds again");
  });

  it("'closed' answers 503 with Retry-After, then lets pass again", async () => {
    const { timed } = await start({ limit: 1000, onRedisError: "closed" });
    expect((await timed()).status).toBe(200);
    await breakIt();
    for (let index = 0; index < 3; index++) {
      const reply = await timed();
      expect(reply.status).toBe(503);
      expect(reply.headers["retry-after"]).toBe("1");
      expect(reply.body.toString()).toBe("RATE_LIMIT_UNAVAILABLE");
    }
    await mendIt();
    await until(async () => (await timed()).status === 200, "requests pass again");
  });

  it("a login route keeps its limits, and every key its TTL afterwards", async () => {
    const { url } = await start({ limit: 2 }, "auth");
    const attempt = async () => {
      const started = performance.now();
      const { status } = await send(url, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: '{"username":"ada"}',
      });
      expect(performance.now() - started).toBeLessThan(BOUND);
      return status;
    };
    await breakIt();
    expect([await attempt(), await attempt(), await attempt()]).toEqual([401, 401, 429]);
    await mendIt();
    await until(async () => {
      await attempt();
      return (await server.client.dbsize()) > 0;
    }, "Redis counts again");
    for (const key of await server.client.keys("*")) {
      expect(await server.client.pttl(key)).toBeGreaterThan(0);
    }
  });
});

it("a flood during an outage is answered, each request within the bound", async () => {
  const { url } = await start({ limit: 20 });
  await send(url);
  server.kill("SIGSTOP");
  const started = performance.now();
  const replies = await Promise.all(Array.from({ length: 100 }, () => send(url)));
  expect(performance.now() - started).toBeLessThan(2 * BOUND);
  expect(replies.filter(({ status }) => status === 200)).toHaveLength(20);
  expect(replies.filter(({ status }) => status === 429)).toHaveLength(80);
});

it("a restart that loses all scripts and keys begins to count anew", async () => {
  const { timed } = await start({ limit: 2, onRedisError: "closed" });
  await timed();
  await timed();
  expect((await timed()).status).toBe(429);
  await server.restart();
  await until(async () => (await timed()).status === 200, "counting anew");
});
