/** Requests whose outcome decides whether they count. */
import { describe, expect, it } from "@jest/globals";
import express from "express";
import { slidingWindow } from "../../src/rate-limit/algorithms/sliding-window.ts";
import { tokenBucket } from "../../src/rate-limit/algorithms/token-bucket.ts";
import { createLimiter, KEY, quota } from "../support/limiter.ts";
import { makeKit, serve } from "../support/kit.ts";
import { type RawReply, send } from "../support/raw.ts";
import { startRedis, until } from "../support/redis-server.ts";
import { startProxy } from "../support/tcp-proxy.ts";
import { describeBackends } from "../support/backends.ts";

const METERED = ["sliding-window", "token-bucket"] as const;

describeBackends("held requests", (backend) => {
  describe.each(METERED)("%s", (algorithm) => {
    const start = async (limit: number) => {
      const kit = makeKit(backend.options());
      const waiting: (() => void)[] = [];
      const app = express();
      app.use(kit.rateLimit({ limit, algorithm, skipSuccessfulRequests: true }));
      app.get("/slow", async (_req, res) => {
        await new Promise<void>((resolve) => waiting.push(resolve));
        res.end("ok");
      });
      app.get("/fail", (_req, res) => void res.sendStatus(401));
      app.get("/", (_req, res) => void res.end("ok"));
      const used = async () => (await kit.rateLimit.peek("api", "127.0.0.1")).used;
      return { url: await serve(app), waiting, used };
    };

    it("20 slow successes at a limit of 5: 5 in flight, the rest come again in a second", async () => {
      const { url, waiting, used } = await start(5);
      const replies: RawReply[] = [];
      const slow = Array.from({ length: 20 }, async () => {
        replies.push(await send(`${url}/slow`));
      });
      await until(() => replies.length === 15, "15 are refused");
      expect(waiting).toHaveLength(5);
      expect(replies.map(({ status }) => status)).toEqual(Array.from({ length: 15 }, () => 429));
      expect(new Set(replies.map(({ headers }) => headers["retry-after"]))).toEqual(new Set(["1"]));
      for (const release of waiting) release();
      await Promise.all(slow);
      await until(async () => (await used()) === 0, "all are given back");
      if (backend.name === "redis") expect(await backend.server().client.dbsize()).toBe(0);
      // Nobody was remembered as denied.
      expect((await send(url)).status).toBe(200);
    });

    it("100 failures at once at a limit of 5: exactly 5 reach the handler", async () => {
      const { url, used } = await start(5);
      const replies = await Promise.all(Array.from({ length: 100 }, () => send(`${url}/fail`)));
      expect(replies.filter(({ status }) => status === 401)).toHaveLength(5);
      expect(replies.filter(({ status }) => status === 429)).toHaveLength(95);
      expect(await used()).toBe(5);
    });
  });
});

describe.each([
  ["sliding window", slidingWindow],
  ["token bucket", tokenBucket],
] as const)("what the %s holds", (_name, algorithm) => {
  const start = (limit: number) => createLimiter(algorithm, [quota(limit, 1000)]);

  it("counts in full until it is settled, however many windows that takes", async () => {
    const { clock, take, settle, connection } = start(2);
    const held = await take(1, "hold");
    for (const passed of [400, 1000, 1500, 30_000, 27_000]) {
      clock.now += passed;
      const other = await take(1, "hold");
      expect(other).toMatchObject({ admitted: true, used: 2 });
      expect(await take(1, "hold")).toMatchObject({ admitted: false, contended: true });
      await settle(other, "release");
    }
    await settle(held, "release");
    expect(await connection.get(KEY)).toBeNull();
  });

  it("is forgotten after two minutes at the latest: the process has died", async () => {
    const { clock, take } = start(1);
    await take(1, "hold");
    clock.now += 60_000;
    expect((await take()).admitted).toBe(false);
    clock.now += 60_000;
    expect((await take()).admitted).toBe(true);
  });

  it("counts when it is settled, though the key has been reset meanwhile", async () => {
    const { take, settle, connection } = start(3);
    const held = await take(1, "hold");
    await connection.del(KEY);
    await settle(held, "count");
    expect(await take(1, "look")).toMatchObject({ used: 1 });
  });
});

describe.each([...METERED, "fixed-window"] as const)("what is given back late: %s", (algorithm) => {
  it("leaves no key without a time to live: 300 refunds at a window's edge, 25 ms from Redis", async () => {
    const server = await startRedis({ tcp: true });
    const proxy = await startProxy({ port: server.port });
    try {
      proxy.delayAnswers(25);
      const kit = makeKit({ redis: `redis://127.0.0.1:${proxy.port}`, deadline: "10s" });
      const app = express();
      let admitted = 0;
      app.get(
        "/:id/:after",
        kit.rateLimit({
          window: "100ms",
          algorithm,
          skipSuccessfulRequests: true,
          by: (req) => req.url.split("/")[1]!,
        }),
        (req, res) => {
          admitted += 1;
          setTimeout(() => res.end("ok"), Number(req.params.after));
        },
      );
      const url = await serve(app);
      // The refund comes from 40 ms before the end of a window to 20 ms after that of the next.
      const paths = Array.from({ length: 300 }, (_, n) => `${url}/user-${n}/${60 + (n % 80) * 2}`);
      await Promise.all(paths.map((path) => send(path)));
      expect(admitted).toBe(300);
      for (const key of await server.client.keys("*")) {
        expect(await server.client.pttl(key)).not.toBe(-1);
      }
      await kit.close(); // After the replies of commands under way.
      await until(async () => (await server.client.dbsize()) === 0, "every key has ended");
    } finally {
      await proxy.stop();
      await server.stop();
    }
  });
});
