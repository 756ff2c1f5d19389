import { describe, expect, it } from "@jest/globals";
import * as fc from "fast-check";
import { slidingWindow } from "../../src/rate-limit/algorithms/sliding-window.ts";
import { createLimiter as limiterOver, KEY, quota } from "../support/limiter.ts";

/** A limiter over memory whose clock the test holds. */
function createLimiter(limit: number, window: number) {
  const limiter = limiterOver(slidingWindow, [quota(limit, window)]);
  return { ...limiter, peek: () => limiter.take(1, "look") };
}

describe("the sliding window", () => {
  it("admits again as the previous window fades", async () => {
    const { clock, take } = createLimiter(10, 60_000);
    for (let index = 0; index < 10; index++) expect((await take()).admitted).toBe(true);
    expect(await take()).toMatchObject({ admitted: false, remaining: 0, retryAfter: 66_000 });
    clock.now += 60_000;
    expect((await take()).admitted).toBe(false);
    clock.now += 5_999;
    expect((await take()).admitted).toBe(false);
    clock.now += 1;
    expect((await take()).admitted).toBe(true);
    expect((await take()).admitted).toBe(false);
    clock.now += 24_000; // Half of the window: 5 of the 10 are out of view, one was taken.
    const answers = await Promise.all(Array.from({ length: 8 }, () => take()));
    expect(answers.filter(({ admitted }) => admitted)).toHaveLength(4);
  });

  it("forgets all after two windows", async () => {
    const { clock, connection, take } = createLimiter(3, 1000);
    for (let index = 0; index < 3; index++) await take();
    clock.now += 1999;
    expect(await connection.get(KEY)).not.toBeNull();
    clock.now += 1;
    expect(await connection.get(KEY)).toBeNull();
    expect(await take()).toMatchObject({ admitted: true, used: 1, remaining: 2, reset: 1000 });
  });

  it("never allows a burst of twice the limit at a window's edge", async () => {
    const { clock, take } = createLimiter(100, 60_000);
    await take();
    clock.now += 59_000;
    for (let index = 0; index < 99; index++) expect((await take()).admitted).toBe(true);
    clock.now += 2_000;
    const burst = await Promise.all(Array.from({ length: 100 }, () => take()));
    expect(burst.filter(({ admitted }) => admitted).length).toBeLessThanOrEqual(2);
  });

  it("peeks without counting, and writes nothing", async () => {
    const { connection, peek } = createLimiter(1, 1000);
    for (let index = 0; index < 5; index++)
      expect(await peek()).toMatchObject({ admitted: true, used: 0, remaining: 1 });
    expect(await connection.get(KEY)).toBeNull();
  });

  it("refuses everything at limit 0, and says when to come back", async () => {
    const { connection, take } = createLimiter(0, 5000);
    expect(await take()).toMatchObject({ admitted: false, remaining: 0, retryAfter: 5000 });
    expect(await connection.get(KEY)).toBeNull();
  });

  it("asks to come back in a second while a held request may be given back", async () => {
    const { take, settle } = createLimiter(1, 60_000);
    const held = await take(1, "hold");
    expect(await take(1, "hold")).toMatchObject({
      admitted: false,
      contended: true,
      retryAfter: 1000,
    });
    await settle(held, "count");
    const refused = await take(1, "hold");
    expect(refused).toMatchObject({ admitted: false, contended: false });
    expect(refused.retryAfter).toBeGreaterThan(1000);
  });

  it("gives back into the window that counted, even when that has become the previous one", async () => {
    const { clock, take, settle } = createLimiter(4, 1000);
    const taken = [await take(), await take(), await take(), await take()];
    clock.now += 1000;
    expect((await take()).admitted).toBe(false);
    for (const each of taken) await settle(each, "undo");
    for (let index = 0; index < 4; index++) expect((await take()).admitted).toBe(true);
    expect((await take()).admitted).toBe(false);
  });

  it("does not give back what a later window counted", async () => {
    const { clock, take, settle } = createLimiter(2, 1000);
    const each = await take();
    clock.now += 2000;
    await take();
    await take();
    await settle(each, "undo");
    expect((await take()).admitted).toBe(false);
  });
});

/** The rule, written from its definition: every admitted request by its time, and nothing else kept. */
class Model {
  #start: number | undefined;
  readonly admitted: number[] = [];

  readonly limit: number;
  readonly window: number;

  constructor(limit: number, window: number) {
    this.limit = limit;
    this.window = window;
  }

  take(now: number): boolean {
    let start = this.#start ?? now;
    if (now >= start + 2 * this.window) start = now;
    else if (now >= start + this.window) start += this.window;
    const between = (from: number, to: number) =>
      this.admitted.filter((at) => at >= from && at < to).length;
    const previous = between(start - this.window, start);
    const current = between(start, start + this.window);
    const isAdmitted =
      previous * (this.window - (now - start)) <= (this.limit - current - 1) * this.window;
    // A refusal writes nothing, so it does not move the windows either.
    if (isAdmitted) {
      this.#start = start;
      this.admitted.push(now);
    }
    return isAdmitted;
  }
}

describe("the sliding window against its definition", () => {
  const steps = fc.array(fc.integer({ min: 0, max: 1500 }), { maxLength: 120 });

  it("admits what the model admits, and never more than the limit in an aligned window", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 12 }), steps, async (limit, waits) => {
        const { clock, take } = createLimiter(limit, 1000);
        const model = new Model(limit, 1000);
        const byWindow = new Map<number, number>();
        for (const wait of waits) {
          clock.now += wait;
          const { admitted, token } = await take();
          expect(admitted).toBe(model.take(clock.now));
          if (admitted) byWindow.set(token, (byWindow.get(token) ?? 0) + 1);
        }
        for (const count of byWindow.values()) expect(count).toBeLessThanOrEqual(limit);
      }),
      { numRuns: 300 },
    );
  });

  it("says the truth with retryAfter: refused a millisecond before, admitted then", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 12 }), steps, async (limit, waits) => {
        const { clock, take, peek } = createLimiter(limit, 1000);
        for (const wait of waits) {
          clock.now += wait;
          const answer = await take();
          expect(answer.retryAfter > 0).toBe(!answer.admitted);
          if (answer.admitted) continue;
          const [before, now] = [clock.now, clock.now + answer.retryAfter];
          clock.now = now - 1;
          const isEarly = answer.retryAfter > 1 && (await peek()).remaining > 0;
          clock.now = now;
          const isOnTime = (await peek()).remaining > 0;
          clock.now = before;
          expect({ isEarly, isOnTime }).toEqual({ isEarly: false, isOnTime: true });
        }
      }),
      { numRuns: 200 },
    );
  });

  it("consumes nothing with a refusal: asking more often never changes what is admitted", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 6 }), steps, async (limit, waits) => {
        const calm = createLimiter(limit, 1000);
        const eager = createLimiter(limit, 1000);
        for (const wait of waits) {
          calm.clock.now += wait;
          eager.clock.now += wait;
          const { admitted } = await calm.take();
          expect((await eager.take()).admitted).toBe(admitted);
          for (let again = 0; !admitted && again < 3; again++) await eager.take();
        }
      }),
      { numRuns: 200 },
    );
  });
});
