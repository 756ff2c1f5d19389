import { describe, expect, it } from "@jest/globals";
import express from "express";
import type { RateLimitOptions } from "express-redis-kit";
import type { Asked, Decision, Standing } from "../../src/rate-limit/algorithms/algorithm.ts";
import { createDenials } from "../../src/rate-limit/denials.ts";
import { quota } from "../support/limiter.ts";
import { makeKit, serve } from "../support/kit.ts";
import { send } from "../support/raw.ts";
import { type RedisServer, startRedis, until } from "../support/redis-server.ts";

const QUOTAS = [quota(5, 60_000)];

function asked(cost = 1, quotas = QUOTAS): Asked {
  return { key: "k", quotas, cost };
}

function refusal(retryAfter: number, rest: Partial<Decision> = {}): Decision {
  const standing: Standing = { used: 5, remaining: 0, reset: 60_000, retryAfter, token: 1 };
  return { admitted: false, blockedFor: 0, contended: false, standings: [standing], ...rest };
}

const ADMITTED: Decision = { ...refusal(0), admitted: true };

function create() {
  const clock = { now: 1000 };
  return { clock, denials: createDenials(() => clock.now) };
}

describe("what is remembered of a refusal", () => {
  it("is its answer, with the time that is left", () => {
    const { clock, denials } = create();
    expect(denials.recall(asked())).toBeUndefined();
    denials.learn(asked(), refusal(3000));
    clock.now += 1000;
    expect(denials.recall(asked())).toMatchObject({
      admitted: false,
      standings: [{ retryAfter: 2000, reset: 59_000, used: 5 }],
    });
    clock.now += 2000;
    expect(denials.recall(asked())).toBeUndefined();
  });

  it("holds for 10 s at the longest; then one request asks, and the others are refused meanwhile", () => {
    const { clock, denials } = create();
    denials.learn(asked(), refusal(60_000));
    clock.now += 9999;
    expect(denials.recall(asked())).toBeDefined();
    clock.now += 1;
    expect(denials.recall(asked())).toBeUndefined();
    denials.asking(asked());
    expect(denials.recall(asked())).toMatchObject({ standings: [{ retryAfter: 50_000 }] });
    denials.learn(asked(), refusal(50_000));
    clock.now += 9999;
    expect(denials.recall(asked())).toBeDefined();
    clock.now += 1;
    denials.asking(asked());
    denials.learn(asked(), ADMITTED);
    expect(denials.recall(asked())).toBeUndefined();
  });

  it("lets everybody ask once the time has come", () => {
    const { clock, denials } = create();
    denials.learn(asked(), refusal(2000));
    clock.now += 2000;
    expect(denials.recall(asked())).toBeUndefined();
    denials.asking(asked());
    expect(denials.recall(asked())).toBeUndefined();
  });

  it("is about requests that cost as much, under the same quotas", () => {
    const { denials } = create();
    denials.learn(asked(3), refusal(3000));
    expect(denials.recall(asked(2))).toBeUndefined();
    expect(denials.recall(asked(3))).toBeDefined();
    expect(denials.recall(asked(4))).toBeDefined();
    expect(denials.recall(asked(3, [quota(5, 60_000)]))).toBeDefined();
    expect(denials.recall(asked(3, [quota(6, 60_000)]))).toBeUndefined();
    expect(denials.recall(asked(3, [...QUOTAS, quota(9, 1000)]))).toBeUndefined();
    denials.learn(asked(2), ADMITTED);
    expect(denials.recall(asked(3))).toBeDefined();
    denials.learn(asked(1), refusal(1000));
    expect(denials.recall(asked(1))).toBeDefined();
  });

  it("is nothing where only held requests stood in the way", () => {
    const { denials } = create();
    denials.learn(asked(), refusal(1000, { contended: true }));
    expect(denials.recall(asked())).toBeUndefined();
  });

  it("is a block for every cost and quota", () => {
    const { clock, denials } = create();
    denials.learn(asked(4), refusal(0, { blockedFor: 5000 }));
    clock.now += 1000;
    expect(denials.recall(asked(0, [quota(9, 1)]))).toMatchObject({ blockedFor: 4000 });
    denials.forget("k");
    expect(denials.recall(asked())).toBeUndefined();
    denials.block("k", 2000);
    expect(denials.recall(asked(0))).toMatchObject({ blockedFor: 2000 });
  });

  it("still refuses when Redis does not answer, and lets the next one ask", () => {
    const { clock, denials } = create();
    denials.learn(asked(), refusal(60_000));
    clock.now += 10_000;
    denials.asking(asked());
    expect(denials.recallOnFailure(asked())).toMatchObject({ standings: [{ retryAfter: 50_000 }] });
    expect(denials.recall(asked())).toBeUndefined();
    clock.now += 50_000;
    expect(denials.recallOnFailure(asked())).toBeUndefined();
  });
});

describe("a flood of one identity", () => {
  const evalshas = async ({ client }: RedisServer): Promise<number> => {
    const stats = await client.info("commandstats");
    return Number(/cmdstat_evalsha:calls=(\d+)/.exec(stats)?.[1] ?? 0);
  };
  const serverWith = async (options: RateLimitOptions) => {
    const server = await startRedis();
    const kit = makeKit({ redis: server.url });
    const app = express();
    app.use(kit.rateLimit({ window: "1h", ...options }), (_req, res) => void res.end("ok"));
    return { server, kit, url: await serve(app) };
  };
  /** Sends from 50 connections at once, again and again. */
  const flood = async (url: string, rounds: number): Promise<number[]> => {
    const statuses: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const replies = await Promise.all(Array.from({ length: 50 }, () => send(url)));
      statuses.push(...replies.map(({ status }) => status));
    }
    return statuses;
  };

  it.each(["sliding-window", "token-bucket", "fixed-window"] as const)(
    "that is blocked costs Redis one command: %s",
    async (algorithm) => {
      const { server, kit, url } = await serverWith({ limit: 1, algorithm });
      try {
        await send(url);
        await kit.rateLimit.block("api", "127.0.0.1", "1h");
        await server.client.config("RESETSTAT");
        expect(new Set(await flood(url, 10))).toEqual(new Set([429]));
        expect(await evalshas(server)).toBe(0);
        // Another process does not know it yet, and asks once.
        const other = makeKit({ redis: server.url });
        const app = express();
        app.use(other.rateLimit({ limit: 1, window: "1h", algorithm }));
        const elsewhere = await serve(app);
        await send(elsewhere);
        expect(new Set(await flood(elsewhere, 10))).toEqual(new Set([429]));
        expect(await evalshas(server)).toBe(1);
      } finally {
        await server.stop();
      }
    },
  );

  it("that has used up its limit costs no more than it takes to find out", async () => {
    const { server, url } = await serverWith({ limit: 3 });
    try {
      const first = await flood(url, 1);
      expect(first.filter((status) => status === 200)).toHaveLength(3);
      await server.client.config("RESETSTAT");
      await flood(url, 10);
      expect(await evalshas(server)).toBe(0);
    } finally {
      await server.stop();
    }
  });

  it("stays refused while Redis is away, though this process never counted it", async () => {
    const { server, url } = await serverWith({ limit: 1 });
    try {
      await send(url);
      expect((await send(url)).status).toBe(429);
      server.kill("SIGKILL");
      await until(
        () => server.process.exitCode !== null || server.process.signalCode !== null,
        "it is gone",
      );
      expect(new Set(await flood(url, 2))).toEqual(new Set([429]));
    } finally {
      await server.stop();
    }
  });
});
