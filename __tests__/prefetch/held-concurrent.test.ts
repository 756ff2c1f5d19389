/** Many requests at once over two limiters: each admits as many as it may, and counts those that came. */
import { expect, it } from "@jest/globals";
import { describeBackends } from "../support/backends.ts";
import { type RawReply, send } from "../support/raw.ts";
import { PATH } from "../support/stack.ts";
import { serveTwoLimiters } from "../support/two-limiters.ts";

function statusesOf(replies: readonly RawReply[]): Record<number, number> {
  const counts: Record<number, number> = {};
  for (const { status } of replies) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}

describeBackends("200 requests at once", (backend) => {
  it.each([
    [50, 100],
    [100, 50],
    [50, 50],
    [1, 1],
  ])("limits of %d and %d", async (first, second) => {
    const { url, counts, runs } = await serveTwoLimiters(backend.options(), {
      first: { limit: first },
      second: { limit: second },
    });
    const before = runs();
    const replies = await Promise.all(Array.from({ length: 200 }, () => send(url, { path: PATH })));
    const few = Math.min(first, second);
    expect(statusesOf(replies)).toEqual({ 200: few, 429: 200 - few });
    expect(runs() - before).toBe(few);
    await counts(few);
  });

  it("where a middleware in between turns every other one away, what it held is free again", async () => {
    let came = 0;
    const { url, counts, runs } = await serveTwoLimiters(backend.options(), {
      first: { limit: 500 },
      second: { limit: 60 },
      between: (request, response, next) => {
        came += 1;
        if (request.headers["x-turn"] === "away") response.end();
        else next();
      },
    });
    const before = runs();
    await Promise.all(
      Array.from({ length: 200 }, (_, index) =>
        send(url, { path: PATH, headers: index % 2 === 0 ? { "X-Turn": "away" } : {} }),
      ),
    );
    expect(came).toBeGreaterThanOrEqual(200);
    const admitted = runs() - before;
    expect(admitted).toBeLessThanOrEqual(60);
    await counts(admitted);
    while (runs() - before < 60) expect((await send(url, { path: PATH })).status).toBe(200);
    expect((await send(url, { path: PATH })).status).toBe(429);
    await counts(60);
  });
});
