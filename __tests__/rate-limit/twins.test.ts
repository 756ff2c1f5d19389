import { afterAll, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import * as fc from "fast-check";
import type { Connection } from "../../src/connection/port.ts";
import { createMemory } from "../../src/connection/memory/memory.ts";
import type { Script } from "../../src/connection/script.ts";
import { tokenScript } from "../../src/cache/store.ts";
import { fixedWindow } from "../../src/rate-limit/fixed-window.ts";
import { settleScript, slidingWindow, takeScript } from "../../src/rate-limit/sliding-window.ts";
import { makeKit } from "../support/kit.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { createTwins, type Twins } from "../support/twins.ts";
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

describe("the sliding window's scripts", () => {
  const step = fc.record({
    wait: fc.oneof(fc.integer({ min: 0, max: 400 }), fc.integer({ min: 0, max: 2500 })),
    what: fc.constantFrom("take", "take", "take", "hold", "look", "settle", "undo"),
    pick: fc.nat(),
    cost: fc.integer({ min: 1, max: 3 }),
  });

  it("answer and keep in Lua what they answer and keep in TypeScript", async () => {
    const quotas = fc.record({
      limit: fc.integer({ min: 0, max: 20 }),
      window: fc.constantFrom(1, 7, 997, 1000),
    });
    await fc.assert(
      fc.asyncProperty(quotas, fc.array(step, { maxLength: 40 }), async (quota, steps) => {
        await server.client.del(KEY);
        twins = createTwins(server.client);
        const tokens = [0];
        for (const { wait, what, pick, cost } of steps) {
          twins.clock.now += wait;
          if (what === "settle" || what === "undo") {
            const token = tokens[pick % tokens.length]!;
            const args = [quota.window, token, pick % 2, what === "settle" ? 1 : 0];
            await twins.run(settleScript, KEY, args);
          } else {
            const args = [
              quota.limit,
              quota.window,
              what === "look" ? 0 : cost,
              what === "hold" ? 1 : 0,
            ];
            const { lua, twin } = await twins.run(takeScript, KEY, args);
            expect(lua).toEqual(twin);
            tokens.push(twin.token);
          }
          await expectSameState();
        }
      }),
      { numRuns: 250 },
    );
  });

  it("take in Lua what another writer left behind, as the twin does", async () => {
    const leftovers = ["", "5", "1 2 3", "-1 2 3 4", "a b c d", "1 2 3 4 5", "1.5 2 3 4"];
    for (const text of leftovers) {
      twins = createTwins(server.client);
      const { memory } = twins as ReturnType<typeof createTwins>;
      await server.client.set(KEY, text, "PX", 60_000);
      await memory.set(KEY, text, { ttl: 60_000 });
      const { lua, twin } = await twins.run(takeScript, KEY, [3, 1000, 1, 0]);
      expect(lua).toEqual(twin);
      await expectSameState();
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
  const quota = { limit: 3, window: 1000 };
  const { token } = await fixedWindow.take(spy, KEY, quota, false);
  await fixedWindow.peek(spy, KEY, quota);
  await fixedWindow.giveBack(spy, KEY, quota, token);
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

describe("the cache's script", () => {
  it("answers and keeps in Lua what it answers and keeps in TypeScript", async () => {
    const step = fc.record({ wait: fc.nat(5000), ttl: fc.integer({ min: 1000, max: 100_000 }) });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
        await server.client.del(KEY);
        twins = createTwins(server.client);
        for (const [index, { ttl }] of steps.entries()) {
          const { lua, twin } = await twins.run(tokenScript, KEY, [`token-${index}`, ttl]);
          expect(lua).toBe(twin);
          const held = await twins.look(KEY);
          expect(held.lua.value).toBe(held.twin.value);
          expect(Math.abs(held.lua.ttl - held.twin.ttl)).toBeLessThan(5000);
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
  const quota = { limit: 5, window: 60_000 };
  const taken = await slidingWindow.take(redisConnection(), KEY, quota, true);
  await server.client.script("FLUSH");
  await slidingWindow.settle(redisConnection(), KEY, quota, taken.token, false);
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
