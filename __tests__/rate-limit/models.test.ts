import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import * as fc from "fast-check";
import { createMemory } from "../../src/connection/memory/memory.ts";
import type { Connection } from "../../src/connection/port.ts";
import type { Algorithm, Quota } from "../../src/rate-limit/algorithms/algorithm.ts";
import { slidingWindow } from "../../src/rate-limit/algorithms/sliding-window.ts";
import { tokenBucket } from "../../src/rate-limit/algorithms/token-bucket.ts";
import { clockedRedis } from "../support/clocked-redis.ts";
import { KEY } from "../support/limiter.ts";
import {
  type Model,
  slidingWindowModel,
  together,
  tokenBucketModel,
} from "../support/limit-models.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";

let server: RedisServer;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

const ALGORITHMS: readonly [string, Algorithm, (quota: Quota) => Model][] = [
  ["sliding window", slidingWindow, slidingWindowModel],
  ["token bucket", tokenBucket, tokenBucketModel],
];

/** A fresh limiter by a clock that the test holds. */
type Over = () => Promise<{ on: Connection; clock: { now: number } }>;

const PLACES: readonly [string, Over, runs: number][] = [
  [
    "memory",
    async () => {
      const clock = { now: 1_700_000_000_000 };
      return { on: createMemory({ max: 10, now: () => clock.now }), clock };
    },
    300,
  ],
  [
    "Redis",
    async () => {
      await server.client.del(KEY);
      const clock = { now: 1_700_000_000_000 };
      return { on: clockedRedis(server.client, clock), clock };
    },
    60,
  ],
];

const quotasOf = fc.uniqueArray(
  fc
    .record({
      limit: fc.integer({ min: 0, max: 12 }),
      window: fc.constantFrom(100, 997, 1000, 2500),
      extra: fc.integer({ min: 0, max: 5 }),
    })
    .map(({ limit, window, extra }) => ({ limit, window, burst: limit === 0 ? 0 : limit + extra })),
  { minLength: 1, maxLength: 3, selector: ({ window }) => window },
);

const stepsOf = fc.array(
  fc.record({
    wait: fc.oneof(
      fc.constant(0),
      fc.integer({ min: 0, max: 300 }),
      fc.integer({ max: 3000, min: 0 }),
    ),
    cost: fc.oneof({ weight: 3, arbitrary: fc.constant(1) }, fc.integer({ min: 0, max: 4 })),
  }),
  { maxLength: 80 },
);

/** The sliding window has no bursts of its own. */
function quotasFor(algorithm: Algorithm, quotas: readonly Quota[]): Quota[] {
  return quotas.map((quota) =>
    algorithm === slidingWindow ? { ...quota, burst: quota.limit } : quota,
  );
}

describe.each(PLACES)("over %s", (_place, over, runs) => {
  describe.each(ALGORITHMS)("the %s", (_name, algorithm, modelOf) => {
    it("admits exactly what its definition admits, whatever the quotas and costs", async () => {
      await fc.assert(
        fc.asyncProperty(quotasOf, stepsOf, async (given, steps) => {
          const quotas = quotasFor(algorithm, given);
          const { on, clock } = await over();
          const model = together(quotas.map(modelOf));
          for (const { wait, cost } of steps) {
            clock.now += wait;
            const { admitted } = await algorithm.take(on, { key: KEY, quotas, cost }, "take");
            expect(admitted).toBe(cost === 0 || model(clock.now, cost));
          }
        }),
        { numRuns: runs },
      );
    });

    it("counts nothing of what it refuses, in any of its quotas", async () => {
      await fc.assert(
        fc.asyncProperty(quotasOf, stepsOf, async (given, steps) => {
          const quotas = quotasFor(algorithm, given);
          const { on, clock } = await over();
          for (const { wait, cost } of steps) {
            clock.now += wait;
            const asked = { key: KEY, quotas, cost };
            const before = await algorithm.take(on, asked, "look");
            const { admitted } = await algorithm.take(on, asked, "take");
            const after = await algorithm.take(on, asked, "look");
            expect(before.admitted).toBe(admitted);
            if (!admitted) expect(after).toEqual(before);
          }
        }),
        { numRuns: runs / 2 },
      );
    });

    it("says the truth about when to come back: not a millisecond too early or too late", async () => {
      await fc.assert(
        fc.asyncProperty(quotasOf, stepsOf, async (given, steps) => {
          const quotas = quotasFor(algorithm, given);
          const { on, clock } = await over();
          for (const { wait, cost } of steps) {
            clock.now += wait;
            const asked = { key: KEY, quotas, cost };
            const { admitted, standings } = await algorithm.take(on, asked, "take");
            const retryAfter = Math.max(...standings.map((standing) => standing.retryAfter));
            expect(retryAfter > 0).toBe(!admitted);
            // What costs more than a quota ever admits has no such time.
            const isPossible = quotas.every(({ burst }) => cost <= burst);
            if (admitted || !isPossible) continue;
            const now = clock.now;
            clock.now = now + retryAfter - 1;
            const early = await algorithm.take(on, asked, "look");
            clock.now = now + retryAfter;
            const due = await algorithm.take(on, asked, "look");
            clock.now = now;
            expect([early.admitted, due.admitted]).toEqual([false, true]);
          }
        }),
        { numRuns: runs / 2 },
      );
    });

    it("is left as it was by what is held and released, however late", async () => {
      const plan = fc.array(
        fc.record({
          wait: fc.nat(400),
          release: fc.nat(400),
          cost: fc.integer({ min: 1, max: 3 }),
        }),
        { maxLength: 20 },
      );
      await fc.assert(
        fc.asyncProperty(quotasOf, plan, async (given, steps) => {
          const quotas = quotasFor(algorithm, given);
          const { on, clock } = await over();
          const untouched = together(quotas.map(modelOf));
          for (const { wait, release, cost } of steps) {
            clock.now += wait;
            const asked = { key: KEY, quotas, cost };
            const held = await algorithm.take(on, asked, "hold");
            clock.now += release;
            if (held.admitted) await algorithm.settle(on, asked, held, "release");
            const { admitted } = await algorithm.take(on, asked, "take");
            expect(admitted).toBe(untouched(clock.now, cost));
          }
        }),
        { numRuns: runs / 2 },
      );
    });
  });
});

describe.each(ALGORITHMS)("the %s on clocks that are wrong", (_name, algorithm) => {
  it("admits the same, since only the server's clock is looked at", async () => {
    const asked = { key: KEY, quotas: [{ limit: 5, window: 60_000, burst: 5 }], cost: 1 };
    const on = clockedRedis(server.client, { now: 1_700_000_000_000 });
    await server.client.del(KEY);
    const real = Date.now;
    let count = 0;
    try {
      for (const skew of [0, -3_600_000, 3_600_000, 0, -3_600_000, 3_600_000, 0, 3_600_000]) {
        Date.now = () => real() + skew;
        if ((await algorithm.take(on, asked, "take")).admitted) count += 1;
      }
    } finally {
      Date.now = real;
    }
    expect(count).toBe(5);
  });
});
