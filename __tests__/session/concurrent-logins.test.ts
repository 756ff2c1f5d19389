import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import express from "express";
import { Redis } from "ioredis";
import { runRounds, type SignIn, validSessions } from "../support/guard-harness.ts";
import { makeKit, serve } from "../support/kit.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis();
});
beforeEach(async () => {
  await redis.client.flushall();
});
afterAll(() => redis.stop());

/** An instance of an app with the kit, asked over HTTP. */
async function createInstance(): Promise<SignIn> {
  const kit = makeKit({ redis: redis.url });
  const app = express().use(kit.session());
  app.post("/login/:user", async (req, res) => {
    await kit.login(req, req.params.user);
    res.json(req.sessionID);
  });
  const url = await serve(app);
  return async (user) => {
    const response = await fetch(`${url}/login/${user}`, { method: "POST" });
    return (await response.json()) as string;
  };
}

const SESSION = JSON.stringify({ cookie: { originalMaxAge: null, expires: null }, userId: "7" });

/** What is usually written by hand: the steps are right, and nothing holds them together. */
function naiveGuard(client: Redis): SignIn {
  return async (user) => {
    const id = randomUUID();
    const key = `user:${user}:sessions`;
    const olds = await client.smembers(key);
    for (const old of olds) await client.del(`session:${old}`);
    await client.del(key);
    await client.set(`session:${id}`, SESSION, "PX", 60_000);
    await client.sadd(key, id);
    return id;
  };
}

describe("I1, at most one valid session at every instant", () => {
  const ROUNDS = 200;

  it("holds for 4 concurrent logins of one user on two instances, 200 rounds", async () => {
    const signIns = [await createInstance(), await createInstance()];
    const { samples, left } = await runRounds(redis, signIns, ROUNDS);
    expect(samples.count).toBeGreaterThan(ROUNDS);
    expect(samples.most).toBe(1);
    expect(left).toEqual(Array.from({ length: ROUNDS }, () => 1));
  }, 60_000);

  it("is broken by a naive guard in the same rounds, and the sampler sees it", async () => {
    const clients = [0, 1, 2, 3].map(() => new Redis({ path: redis.socketPath }));
    const { samples, left } = await runRounds(redis, clients.map(naiveGuard), ROUNDS);
    expect(samples.most).toBeGreaterThan(1);
    expect(Math.max(...left)).toBeGreaterThan(1);
    for (const client of clients) client.disconnect();
  }, 60_000);
});

describe("I2, the last claim wins", () => {
  it("of logins that follow one another, on two instances", async () => {
    const signIns = [await createInstance(), await createInstance()];
    for (let round = 0; round < 20; round++) {
      const id = await signIns[round % 2]!("7");
      expect(await validSessions(redis.client, "7")).toEqual([id]);
    }
  });

  it("and of those that race, one wins: it is valid, and all others are not", async () => {
    const signIn = await createInstance();
    const ids = await Promise.all(Array.from({ length: 10 }, () => signIn("7")));
    const valid = await validSessions(redis.client, "7");
    expect(valid).toHaveLength(1);
    expect(ids).toContain(valid[0]);
  });
});
