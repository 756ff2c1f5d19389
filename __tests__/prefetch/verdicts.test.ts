/** Whatever two limiters allow, and in whichever order they stand, requests get what limiters that are apart would say. */
import { it } from "@jest/globals";
import * as fc from "fast-check";
import type { AlgorithmName, Middleware, RateLimitOptions } from "express-redis-kit";
import { describeBackends } from "../support/backends.ts";
import { expectSame, serveBothWays, tellOf, type Way } from "../support/both-ways.ts";

/** What one request does: it goes through, or is answered between the limiters. */
type Step = "through" | "answered";

const between: Middleware = (request, response, next) => {
  if (request.headers["x-step"] === "answered") response.end("between");
  else next();
};

const limiter = fc.record({
  limit: fc.integer({ min: 1, max: 5 }),
  algorithm: fc.constantFrom<AlgorithmName>("sliding-window", "token-bucket", "fixed-window"),
  // Long enough that nothing comes back while a test runs.
  window: fc.constantFrom("1h", "1d"),
}) satisfies fc.Arbitrary<RateLimitOptions>;

const costly = fc
  .record({ limiter, cost: fc.integer({ min: 1, max: 3 }) })
  .map(({ limiter: options, cost }) =>
    options.algorithm === "fixed-window"
      ? options
      : { ...options, cost: Math.min(cost, options.limit) },
  );

const steps = fc.array(fc.constantFrom<Step>("through", "through", "answered"), {
  minLength: 3,
  maxLength: 12,
});

describeBackends("two limiters", (backend) => {
  it("say together what they say apart", async () => {
    const property = fc.asyncProperty(costly, costly, steps, async (first, second, all) => {
      const options = { ...backend.options(), deadline: "10s" };
      const ways = await serveBothWays(options, (kit) => [
        kit().rateLimit("first", first),
        between,
        kit().rateLimit("second", second),
      ]);
      const play = async ({ ask }: Way): Promise<unknown[]> => {
        const seen: unknown[] = [];
        for (const step of all)
          seen.push(tellOf(await ask(undefined, { headers: { "X-Step": step } })));
        return seen;
      };
      if (backend.name === "redis") await backend.server().client.flushall();
      await expectSame(ways, play);
    });
    await fc.assert(property, { numRuns: 40 });
  });
});
