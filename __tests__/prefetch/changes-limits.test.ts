/** What is blocked or reset between two limiters is so before the second one looks. */
import { expect, it } from "@jest/globals";
import { describeBackends } from "../support/backends.ts";
import { createBetween } from "../support/between.ts";
import { makeKit } from "../support/kit.ts";
import { serveTwoLimiters } from "../support/two-limiters.ts";

const HERE = "127.0.0.1";

describeBackends("between two limiters", (backend) => {
  const start = async (limit: number, deadline: number | string = "10s") => {
    const between = createBetween();
    const route = await serveTwoLimiters(
      { ...backend.options(), deadline },
      { second: { limit }, between: between.middleware },
    );
    return { between, ...route };
  };
  const remaining = (fields: unknown): unknown => /"second";r=(\d+)/.exec(String(fields))?.[1];

  it("a block refuses the request that is on its way", async () => {
    const { between, ask, kit, runs } = await start(10);
    await ask();
    const before = runs();
    between.next(() => kit.rateLimit.block("second", HERE, "1m"));
    expect((await ask()).status).toBe(429);
    expect((await ask()).status).toBe(429);
    expect(runs()).toBe(before);
    expect((await kit.rateLimit.peek("second", HERE)).used).toBeLessThanOrEqual(1);
    await kit.rateLimit.reset("second", HERE);
    expect((await ask()).status).toBe(200);
  });

  it("a reset lets the request through that is on its way, as the first of a new count", async () => {
    const { between, ask, counts, kit } = await start(2);
    await ask();
    await ask();
    between.next(() => kit.rateLimit.reset("second", HERE));
    const reply = await ask();
    expect([reply.status, remaining(reply.headers["ratelimit"])]).toEqual([200, "1"]);
    await counts(1);
  });

  it("a reset while the request was held: it counts as one, not as none", async () => {
    const { between, ask, counts, kit } = await start(10);
    await ask();
    between.next(() => kit.rateLimit.reset("second", HERE));
    const reply = await ask();
    expect([reply.status, remaining(reply.headers["ratelimit"])]).toEqual([200, "9"]);
    await counts(1);
  });

  it("the limiter's own resetKey() does the same", async () => {
    const between = createBetween();
    const { ask, counts, kit } = await serveTwoLimiters(
      { ...backend.options(), deadline: "10s" },
      { second: { limit: 10 }, between: between.middleware },
    );
    const same = kit.rateLimit("second", { limit: 10 });
    await ask();
    between.next(() => same.resetKey(HERE));
    await ask();
    await counts(1);
  });

  it("requests that came meanwhile are counted", async () => {
    const { between, ask, counts } = await start(3);
    await ask();
    between.next(async () => {
      expect((await ask()).status).toBe(200);
      // One is counted, one is held, and one has come.
      const last = await ask();
      expect([200, 429]).toContain(last.status);
    });
    await ask();
    await counts(3);
    expect((await ask()).status).toBe(429);
  });

  if (backend.name === "redis") {
    it("a block by another process counts, where the request took longer than an answer is good for", async () => {
      const { between, ask } = await start(10, 500);
      const other = makeKit(backend.options());
      other.rateLimit("second", { limit: 10 });
      between.next(async () => {
        await other.rateLimit.block("second", HERE, "1m");
        // That much time is the rule itself: the deadline and a second more.
        await new Promise((resolve) => void setTimeout(resolve, 1600));
      });
      expect((await ask()).status).toBe(429);
    });
  }
});
