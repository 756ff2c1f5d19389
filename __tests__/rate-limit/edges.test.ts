/** What a reader who wanted to break the limiter has found, and how it goes now. */
import { describe, expect, it } from "@jest/globals";
import express from "express";
import { rateLimit as shell } from "express-rate-limit";
import { describeBackends } from "../support/backends.ts";
import { makeKit, serve } from "../support/kit.ts";
import { send } from "../support/raw.ts";
import { startRedis, until } from "../support/redis-server.ts";

const IP = "127.0.0.1";
const ok = (_req: express.Request, res: express.Response) => void res.end("ok");

/** Calls of EVALSHA that a server has had since `work` began. */
async function evalshas(
  server: Awaited<ReturnType<typeof startRedis>>,
  work: () => Promise<unknown>,
): Promise<number> {
  await server.client.config("RESETSTAT");
  await work();
  const stats = await server.client.info("commandstats");
  return Number(/cmdstat_evalsha:calls=(\d+)/.exec(stats)?.[1] ?? 0);
}

describeBackends("several identities", (backend) => {
  it("of which one refuses take nothing from the others, not for a moment", async () => {
    const kit = makeKit(backend.options());
    const by = (req: express.Request) => req.get("X-Ids")!.split(" ");
    const url = await serve(express().use(kit.rateLimit("t", { limit: 5, window: "1h", by }), ok));
    const from = (ids: string) => send(url, { headers: { "X-Ids": ids } });
    for (let n = 0; n < 5; n++) await from("a");
    for (let n = 0; n < 4; n++) await from("b");
    await Promise.all([from("a b"), from("c b")]);
    // Whoever of the two was in whose way: at most a second, and nobody is remembered for it.
    await until(async () => (await kit.rateLimit.peek("t", "b")).used >= 4, "all is settled");
    const { remaining } = await kit.rateLimit.peek("t", "b");
    if (remaining > 0) expect((await from("b")).status).toBe(200);
    expect((await kit.rateLimit.peek("t", "b")).used).toBe(5);
  });

  it("count each in the end", async () => {
    const kit = makeKit(backend.options());
    const limiter = kit.rateLimit("t", { limit: 5, by: () => ["a", "b"] });
    const url = await serve(express().use(limiter, ok));
    await Promise.all(Array.from({ length: 9 }, () => send(url)));
    for (const id of ["a", "b"]) {
      await until(async () => (await kit.rateLimit.peek("t", id)).used === 5, `${id} is counted`);
    }
    expect((await send(url)).status).toBe(429);
  });
});

describeBackends("the fixed window", (backend) => {
  it("is not cut short by a block that is shorter", async () => {
    const kit = makeKit(backend.options());
    const limiter = kit.rateLimit({ limit: 1, window: "1h", algorithm: "fixed-window" });
    const url = await serve(express().use(limiter, ok));
    await send(url);
    await kit.rateLimit.block("api", IP, "30ms");
    const { blockedFor } = await kit.rateLimit.peek("api", IP);
    expect(blockedFor).toBeGreaterThan(60_000);
  });

  it("holds back 15 of 20 slow successes at a limit of 5, and forgets them all", async () => {
    const kit = makeKit(backend.options());
    const waiting: (() => void)[] = [];
    const app = express();
    app.use(kit.rateLimit({ limit: 5, algorithm: "fixed-window", skipSuccessfulRequests: true }));
    app.get("/slow", (_req, res) => void waiting.push(() => res.end("ok")));
    app.get("/", ok);
    const url = await serve(app);
    const refused: (string | undefined)[] = [];
    const slow = Array.from({ length: 20 }, async () => {
      const { status, headers } = await send(`${url}/slow`);
      if (status === 429) refused.push(headers["retry-after"]);
    });
    await until(() => refused.length === 15, "15 are refused");
    expect([waiting.length, new Set(refused)]).toEqual([5, new Set(["1"])]);
    for (const release of waiting) release();
    await Promise.all(slow);
    await until(async () => (await kit.rateLimit.peek("api", IP)).used === 0, "nothing is left");
    expect((await send(url)).status).toBe(200);
  });
});

describe("a flood", () => {
  it("costs Redis nothing on a fixed window that counts by outcome", async () => {
    const server = await startRedis();
    try {
      const kit = makeKit({ redis: server.url });
      const limiter = kit.rateLimit({
        limit: 1,
        algorithm: "fixed-window",
        skipSuccessfulRequests: true,
      });
      const url = await serve(express().use(limiter, (_req, res) => void res.sendStatus(401)));
      await send(url);
      await until(async () => (await send(url)).headers["retry-after"] !== "1", "it is settled");
      const flood = () => Promise.all(Array.from({ length: 50 }, () => send(url)));
      expect(await evalshas(server, flood)).toBe(0);
    } finally {
      await server.stop();
    }
  });

  it("costs nothing through one's own call with skipFailedRequests, which takes back refusals", async () => {
    const server = await startRedis();
    try {
      const kit = makeKit({ redis: server.url });
      const own = shell({
        limit: 1,
        windowMs: 3_600_000,
        skipFailedRequests: true,
        store: kit.rateLimitStore("own"),
        validate: false,
      });
      const url = await serve(express().use(own, ok));
      await send(url);
      await send(url);
      const flood = async () => {
        for (let n = 0; n < 20; n++) await send(url);
      };
      expect(await evalshas(server, flood)).toBe(0);
    } finally {
      await server.stop();
    }
  });

  it("costs nothing though the limit changes from request to request", async () => {
    const server = await startRedis();
    try {
      const kit = makeKit({ redis: server.url });
      const limit = (req: express.Request) => Number(req.get("X-Limit"));
      const url = await serve(express().use(kit.rateLimit({ limit, window: "1h" }), ok));
      const ask = (n: number) => send(url, { headers: { "X-Limit": `${n}` } });
      for (const n of [1, 1, 2, 2]) await ask(n);
      for (const n of [1, 2]) expect((await ask(n)).status).toBe(429);
      const flood = async () => {
        for (let n = 0; n < 40; n++) await ask(1 + (n % 2));
      };
      expect(await evalshas(server, flood)).toBe(0);
    } finally {
      await server.stop();
    }
  });
});
