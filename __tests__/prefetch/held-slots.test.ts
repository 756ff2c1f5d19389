/** The last request that a second limiter has room for: nothing that was asked ahead stands in its way. */
import { expect, it } from "@jest/globals";
import type { Middleware } from "express-redis-kit";
import { describeBackends } from "../support/backends.ts";
import type { RawReply } from "../support/raw.ts";
import { until } from "../support/redis-server.ts";
import { chain } from "../support/shells.ts";
import { serveTwoLimiters } from "../support/two-limiters.ts";

/** What the second limiter's header fields say. */
function fieldsOf({ headers, status }: RawReply): string {
  const fields = String(headers["ratelimit"]).split(", ");
  return `${status} ${fields.at(-1)!.replace(/;t=.*/, "")}`;
}

const DEADLINE = 500;
/** For how long an answer that was asked ahead is good, and some time more. */
const TOO_LONG = DEADLINE + 1000 + 100;

/** Keeps a request waiting that says so; that much time is the rule itself. */
const slow: Middleware = (request, _response, next) => {
  if (request.headers["x-slow"]) setTimeout(next, TOO_LONG);
  else next();
};

describeBackends("the last room of a second limiter", (backend) => {
  const late = () => ({ ...backend.options(), deadline: DEADLINE });

  it.each(["sliding-window", "token-bucket", "fixed-window"] as const)(
    "is for the request itself, and the next one is refused: %s",
    async (algorithm) => {
      const plan = { second: { limit: 2, algorithm } };
      const { ask } = await serveTwoLimiters(backend.options(), plan);
      expect(fieldsOf(await ask())).toBe('200 "second";r=1');
      expect(fieldsOf(await ask())).toBe('200 "second";r=0');
      const refused = await ask();
      expect(fieldsOf(refused)).toBe('429 "second";r=0');
      expect(Number(refused.headers["retry-after"])).toBeGreaterThan(1);
    },
  );

  it("is for the request itself, also where its way took longer than an answer is good for", async () => {
    const plan = { second: { limit: 1 }, between: slow };
    const { ask, counts } = await serveTwoLimiters(late(), plan);
    const reply = await ask(undefined, { headers: { "X-Slow": "yes" } });
    expect(fieldsOf(reply)).toBe('200 "second";r=0');
    await counts(1);
  });

  it("is free for others once a request has been on its way for longer than that", async () => {
    let goOn: (() => void) | undefined;
    const plan = {
      second: { limit: 1 },
      between: ((request, _response, next) => {
        if (request.headers["x-way"] === "waits") goOn = next;
        else next();
      }) satisfies Middleware,
    };
    const { ask, counts } = await serveTwoLimiters(late(), plan);
    const waiting = ask(undefined, { headers: { "X-Way": "waits" } });
    await until(() => goOn !== undefined, "the request waits between the limiters");
    await new Promise((resolve) => void setTimeout(resolve, TOO_LONG));
    expect((await ask()).status).toBe(200);
    goOn!();
    expect((await waiting).status).toBe(429);
    await counts(1);
  });

  it("is another client's, where the request turns out to be his", async () => {
    const options = { ...backend.options(), trustProxy: "loopback" };
    const { ask, counts, kit } = await serveTwoLimiters(options, {
      second: { limit: 1 },
      between: ({ headers }, _response, next) => {
        if (headers["x-from"]) headers["x-forwarded-for"] = String(headers["x-from"]);
        next();
      },
      listener: chain,
    });
    const other = "192.0.2.7";
    expect((await ask(undefined, { headers: { "X-From": other } })).status).toBe(200);
    await counts(0);
    expect((await kit.rateLimit.peek("second", other)).used).toBe(1);
    expect((await ask(undefined, { headers: { "X-From": other } })).status).toBe(429);
    expect((await ask()).status).toBe(200);
    await counts(1);
  });

  it("is for a request that came while another one held it, and that outlasted it", async () => {
    const waiting: Record<string, () => void> = {};
    const { ask, counts } = await serveTwoLimiters(backend.options(), {
      second: { limit: 1 },
      between: (request, response, next) => {
        const way = request.headers["x-way"];
        if (way === "leaves") waiting["leaves"] = () => response.end("left");
        else if (way === "stays") waiting["stays"] = next;
        else next();
      },
    });
    const come = async (way: string) => {
      const reply = ask(undefined, { headers: { "X-Way": way } });
      await until(() => waiting[way] !== undefined, `it waits, and ${way}`);
      return { reply };
    };
    const leaving = await come("leaves");
    const staying = await come("stays");
    waiting["leaves"]!();
    expect((await leaving.reply).body.toString()).toBe("left");
    await counts(0);
    waiting["stays"]!();
    expect((await staying.reply).status).toBe(200);
    await counts(1);
  });

  it("goes to one of two requests that are on their way", async () => {
    let goOn: (() => void) | undefined;
    const { ask, counts } = await serveTwoLimiters(backend.options(), {
      second: { limit: 1 },
      between: (request, _response, next) => {
        if (request.headers["x-way"] === "waits") goOn = next;
        else next();
      },
    });
    const waiting = ask(undefined, { headers: { "X-Way": "waits" } });
    await until(() => goOn !== undefined, "the request waits between the limiters");
    const overtaking = await ask();
    goOn!();
    const statuses = [overtaking.status, (await waiting).status];
    // In which order they may come to it is nobody's promise.
    expect(statuses.toSorted((a, b) => a - b)).toEqual([200, 429]);
    await counts(1);
  });
});
