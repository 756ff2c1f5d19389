import { afterAll, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import * as fc from "fast-check";
import type { Connection } from "../../src/connection/port.ts";
import { createMemory } from "../../src/connection/memory/memory.ts";
import type { Script } from "../../src/connection/script.ts";
import type { Algorithm, Decision } from "../../src/rate-limit/algorithms/algorithm.ts";
import { fixedWindow } from "../../src/rate-limit/algorithms/fixed-window.ts";
import { slidingWindow } from "../../src/rate-limit/algorithms/sliding-window.ts";
import { tokenBucket } from "../../src/rate-limit/algorithms/token-bucket.ts";
import { quota } from "../support/limiter.ts";
import { makeKit } from "../support/kit.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { createTwins, GRACE, type Twins } from "../support/twins.ts";
import express from "express";
import request from "supertest";

let server: RedisServer;
let twins: Twins;
beforeAll(async () => {
  server = await startRedis();
});
beforeEach(() => server.client.flushall());
afterAll(() => server.stop());

const KEY = "ratelimit:twins:1";

/** Both sides hold the same; a TTL goes on shrinking with the server's own clock. */
async function expectSameState(): Promise<void> {
  const { lua, twin } = await twins.look(KEY);
  expect(lua.value).toBe(twin.value);
  if (twin.value === null) return;
  expect(lua.ttl).toBeGreaterThan(-60_000);
}

/** The scripts that an algorithm runs, caught on their way to Redis. */
async function scriptsOf(algorithm: Algorithm): Promise<(name: string) => Script<unknown>> {
  const memory = createMemory({ max: 10 });
  const seen = new Map<string, Script<unknown>>();
  const spy: Connection = {
    ...memory,
    run: (script, key, args) => {
      seen.set(script.name.replace(/-.$/, ""), script);
      return memory.run(script, key, args);
    },
  };
  const asked = { key: KEY, quotas: [quota(5, 1000)], cost: 1 };
  const decision = await algorithm.take(spy, asked, "take");
  await algorithm.settle(spy, asked, decision, "undo");
  await algorithm.block(spy, KEY, 1);
  return (name) => seen.get(name)!;
}

describe.each([
  ["sliding window", slidingWindow],
  ["token bucket", tokenBucket],
])("the %s's scripts", (_name, algorithm) => {
  const step = fc.record({
    wait: fc.oneof(fc.integer({ min: -50, max: 400 }), fc.integer({ min: 0, max: 2500 })),
    what: fc.constantFrom(
      "take",
      "take",
      "take",
      "hold",
      "look",
      "count",
      "release",
      "undo",
      "block",
    ),
    pick: fc.nat(),
    cost: fc.integer({ min: 0, max: 3 }),
    /** Which of the quotas a step is about: others' numbers must stay. */
    only: fc.option(fc.nat(), { nil: undefined, freq: 4 }),
  });
  const quotasOf = fc.uniqueArray(
    fc.record({
      limit: fc.integer({ min: 0, max: 20 }),
      window: fc.constantFrom(1, 7, 997, 1000, 2000),
      burst: fc.integer({ min: 1, max: 25 }),
    }),
    { minLength: 1, maxLength: 3, selector: ({ window }) => window },
  );

  it("answer and keep in Lua what they answer and keep in TypeScript", async () => {
    const script = await scriptsOf(algorithm);
    await fc.assert(
      fc.asyncProperty(quotasOf, fc.array(step, { maxLength: 40 }), async (all, steps) => {
        await server.client.del(KEY);
        twins = createTwins(server.client);
        const tokens = [0];
        for (const { wait, what, pick, cost, only } of steps) {
          twins.clock.now += wait;
          const quotas = only === undefined ? all : [all[only % all.length]!];
          const numbers = quotas.flatMap(({ limit, window, burst }) => [limit, window, burst]);
          if (what === "block") {
            await twins.run(script("block"), KEY, [1 + (pick % 500)]);
          } else if (what === "count" || what === "release" || what === "undo") {
            const token = tokens[pick % tokens.length]!;
            const args = quotas.flatMap(({ limit, window }) => [limit, window, token]);
            await twins.run(script("settle"), KEY, [cost, what, ...args]);
          } else {
            const { lua, twin } = await twins.run(script("take"), KEY, [cost, what, ...numbers]);
            expect(lua).toEqual(twin);
            tokens.push(...(twin as Decision).standings.map(({ token }) => token));
          }
          await expectSameState();
        }
      }),
      { numRuns: 150 },
    );
  });

  it("take in Lua what another writer left behind, as the twin does", async () => {
    const script = await scriptsOf(algorithm);
    const leftovers = [
      "",
      "5",
      "1 2 3",
      ";s1000 1 2",
      ";b1000 5",
      ";s1000 -1 2 3 4 5 6",
      ";s1000 a b c d",
      ";!99999999999999;s1000",
      ";!",
      ";s1000 1.5 2 3 4 5 6;b1000 1 2 3 4 5 6",
      ";s7 1700000000000 9000 1 1 1 1;s7 1700000000000 9000 2 2 2 2;b9 1700000000000 1 0 0 1 1",
    ];
    for (const text of leftovers) {
      twins = createTwins(server.client);
      const { memory } = twins as ReturnType<typeof createTwins>;
      await server.client.set(KEY, text, "PX", 60_000 + GRACE);
      await memory.set(KEY, text, { ttl: 60_000 });
      const { lua, twin } = await twins.run(script("take"), KEY, [1, "take", 3, 1000, 3]);
      expect(lua).toEqual(twin);
      await expectSameState();
      await twins.run(script("block"), KEY, [50]);
      await expectSameState();
    }
  });

  it("give a key that has none its time to live again, at the next request of any kind", async () => {
    const asked = { key: KEY, quotas: [quota(1, 60_000)], cost: 1 };
    const on = redisConnection();
    const taken = await algorithm.take(on, asked, "take");
    const ways = [
      () => algorithm.take(on, asked, "take"),
      () => algorithm.take(on, asked, "look"),
      () => algorithm.settle(on, asked, taken, "release"),
      () => algorithm.block(on, KEY, 1000),
    ];
    for (const way of ways) {
      await server.client.persist(KEY);
      expect(await server.client.pttl(KEY)).toBe(-1);
      await way();
      expect(await server.client.pttl(KEY)).toBeGreaterThan(0);
    }
  });
});

/** The scripts that the fixed window runs, which rate-limit-redis brings along. */
async function fixedWindowScripts(): Promise<Map<string, Script<unknown>>> {
  const memory = createMemory({ max: 10 });
  const seen = new Map<string, Script<unknown>>();
  const spy: Connection = {
    ...memory,
    run: (script, key, args) => {
      const name = script.name === "rate-limit-redis" ? `erl-${args.length}` : script.name;
      seen.set(name, script);
      return memory.run(script, key, args);
    },
  };
  const asked = { key: KEY, quotas: [quota(3, 1000)], cost: 1 };
  const decision = await fixedWindow.take(spy, asked, "take");
  await fixedWindow.take(spy, asked, "look");
  await fixedWindow.settle(spy, asked, decision, "undo");
  return seen;
}

describe("the fixed window's scripts", () => {
  it("answer and keep in Lua what they answer and keep in TypeScript", async () => {
    const scripts = await fixedWindowScripts();
    expect([...scripts.keys()].toSorted()).toEqual(["erl-0", "erl-1", "fixed-window-decrement"]);
    const names = fc.constantFrom("erl-1", "erl-1", "erl-0", "fixed-window-decrement");
    await fc.assert(
      fc.asyncProperty(fc.array(names, { maxLength: 25 }), async (steps) => {
        await server.client.del(KEY);
        twins = createTwins(server.client);
        for (const name of steps) {
          const args = name === "erl-1" ? [600_000] : [];
          const { lua, twin } = await twins.run(scripts.get(name)!, KEY, args);
          // The second half is a TTL, which runs on the server's own clock.
          const first = (reply: unknown) => (Array.isArray(reply) ? Number(reply[0]) : reply);
          expect(first(lua)).toEqual(first(twin));
          await expectSameState();
        }
      }),
      { numRuns: 60 },
    );
  });
});

it("goes on counting when the scripts are flushed in the middle", async () => {
  const app = express();
  const kit = makeKit({ redis: server.url });
  app.use(kit.rateLimit({ limit: 20 }), (_req, res) => res.end("ok"));
  app.use((_error: unknown, _req: express.Request, res: express.Response, _next: unknown) => {
    res.sendStatus(500);
  });
  const statuses: number[] = [];
  for (let round = 0; round < 6; round++) {
    await server.client.script("FLUSH");
    const batch = await Promise.all(Array.from({ length: 5 }, () => request(app).get("/")));
    statuses.push(...batch.map(({ status }) => status));
  }
  expect(statuses.filter((status) => status === 200)).toHaveLength(20);
  expect(statuses.filter((status) => status === 429)).toHaveLength(10);
});

it("settles what it took before a flush", async () => {
  const asked = { key: KEY, quotas: [quota(5, 60_000)], cost: 1 };
  const taken = await slidingWindow.take(redisConnection(), asked, "hold");
  await server.client.script("FLUSH");
  await slidingWindow.settle(redisConnection(), asked, taken, "release");
  expect(await server.client.get(KEY)).toBeNull();
});

/** The part of the port that algorithms use, as `tcp.ts` does it. */
function redisConnection(): Connection {
  const { client } = server;
  return {
    run: async (script: Script<unknown>, key: string, args: readonly (string | number)[]) => {
      try {
        return script.parse(await client.evalsha(script.sha, 1, key, ...args));
      } catch (error) {
        if (!String(error).includes("NOSCRIPT")) throw error;
        return script.parse(await client.eval(script.lua, 1, key, ...args));
      }
    },
  } as unknown as Connection;
}
