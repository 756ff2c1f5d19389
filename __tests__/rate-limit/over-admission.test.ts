import { describe, expect, it } from "@jest/globals";
import { createMemory } from "../../src/connection/memory/memory.ts";
import type { Algorithm } from "../../src/rate-limit/algorithms/algorithm.ts";
import { fixedWindow } from "../../src/rate-limit/algorithms/fixed-window.ts";
import { slidingWindow } from "../../src/rate-limit/algorithms/sliding-window.ts";
import { tokenBucket } from "../../src/rate-limit/algorithms/token-bucket.ts";
import { KEY, quota } from "../support/limiter.ts";

const LIMIT = 10;
const WINDOW = 40;
/** Long enough for every attack that two windows in a row allow. */
const HORIZON = 3 * WINDOW;
const SPANS = [WINDOW / 10, WINDOW / 4, WINDOW / 2, WINDOW] as const;
const TRIES = 800;
const ASCENTS = 4;

/** The same random numbers in every run. */
function createRandom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** An attacker: in which milliseconds it takes all that it gets, and in which just one request. */
type Attack = readonly ("all" | "one" | "none")[];

/** How many requests each millisecond of an attack gets through. */
async function admittedBy(algorithm: Algorithm, attack: Attack): Promise<number[]> {
  const clock = { now: 1_700_000_000_000 };
  const on = createMemory({ max: 10, now: () => clock.now });
  const asked = { key: KEY, quotas: [quota(LIMIT, WINDOW)], cost: 1 };
  const counts: number[] = [];
  for (const greed of attack) {
    const most = { all: 3 * LIMIT, one: 1, none: 0 }[greed];
    let count = 0;
    while (count < most && (await algorithm.take(on, asked, "take")).admitted) count += 1;
    counts.push(count);
    clock.now += 1;
  }
  return counts;
}

/** The most requests within any span of so many milliseconds. */
function worstOf(counts: readonly number[], span: number): number {
  const sums = counts.map((_, from) =>
    counts.slice(from, from + span).reduce((sum, count) => sum + count, 0),
  );
  return Math.max(...sums);
}

/** Changes an attack here and there: a stretch of it gets another greed. */
function mutate(attack: Attack, random: (below: number) => number): Attack {
  const from = random(HORIZON);
  const length = 1 + random(random(2) === 0 ? 3 : WINDOW);
  const greed = (["all", "one", "none", "none"] as const)[random(4)]!;
  return attack.map((one, at) => (at >= from && at < from + length ? greed : one));
}

/** The most that a search finds to get through in a span. It climbs, and begins anew now and then. */
async function search(algorithm: Algorithm, span: number): Promise<number> {
  const random = createRandom(span);
  let most = 0;
  let best = 0;
  let attack: Attack = [];
  for (let index = 0; index < TRIES; index += 1) {
    if (index % (TRIES / ASCENTS) === 0) {
      // The first request is what windows begin with.
      attack = Array.from({ length: HORIZON }, (_, at) => (at === 0 ? "one" : "none"));
      best = 0;
    }
    const next = mutate(attack, random);
    const found = worstOf(await admittedBy(algorithm, next), span);
    if (found < best) continue;
    [best, attack] = [found, next];
    most = Math.max(most, best);
  }
  return most;
}

describe("the most that an attacker who knows the windows gets through", () => {
  const found: string[] = [];
  const bounds: readonly [string, Algorithm, (span: number) => number][] = [
    ["sliding window", slidingWindow, (span) => LIMIT * (1 + span / WINDOW)],
    ["token bucket", tokenBucket, (span) => LIMIT * (1 + span / WINDOW)],
    ["fixed window", fixedWindow, () => 2 * LIMIT],
  ];

  it.each(bounds)("stays within the bound that is stated: %s", async (name, algorithm, bound) => {
    const worst = new Map<number, number>();
    for (const span of SPANS) worst.set(span, await search(algorithm, span));
    const cells = SPANS.map((span) => String(worst.get(span)).padStart(6));
    found.push(`${name.padEnd(16)}${cells.join("")}`);
    for (const [span, count] of worst) expect(count).toBeLessThanOrEqual(bound(span));
    // The search is good enough to find what is known: twice the limit at a fixed window's edge.
    if (algorithm === fixedWindow)
      expect(worst.get(WINDOW / 10)).toBeGreaterThanOrEqual(2 * LIMIT - 1);
    else expect(worst.get(WINDOW / 10)).toBeGreaterThanOrEqual(LIMIT);
  });

  it("is printed", () => {
    const head = SPANS.map((span) => `${(100 * span) / WINDOW} %`.padStart(6));
    expect(found).toHaveLength(bounds.length);
    process.stdout.write(
      `Admitted at a limit of ${LIMIT}, at worst, within a span of so much of the window:\n${" ".repeat(16)}${head.join("")}\n${found.join("\n")}\n`,
    );
  });
});
