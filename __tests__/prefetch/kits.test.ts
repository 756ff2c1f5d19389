/** Middlewares of several kits on one request, and of one kit on several apps. */
import { describe, expect, it } from "@jest/globals";
import type { RequestListener } from "node:http";
import type { RequestHandler } from "express";
import type { Kit } from "express-redis-kit";
import { afterRoundTrips } from "../support/cache.ts";
import { makeKit } from "../support/kit.ts";
import { expressApp } from "../support/shells.ts";
import { fullStack, serveStack, storyOf, tellUser, toldSession } from "../support/stack.ts";
import { setUpWaiting } from "../support/waiting.ts";

const waiting = setUpWaiting();
const HERE = "127.0.0.1";

describe("two kits on one request", () => {
  const start = async () => {
    const one = await waiting.kit();
    const two = await waiting.kit({ namespace: "two" });
    const stack = await serveStack(one, [
      one.rateLimit(),
      two.rateLimit("theirs", { limit: 50 }),
      ...toldSession(one),
      two.rateLimit("more", { limit: 50 }),
      two.cache("brand:settings", { scope: "public" }),
    ]);
    const cookie = await stack.signIn();
    await stack.warm(cookie);
    await afterRoundTrips(two);
    return { one, two, cookie, ...stack };
  };

  it("wait once each, and each counts for itself", async () => {
    const { one, two, cookie, ask } = await start();
    const { flushes, result } = await waiting.turnstile().pass(() => ask(cookie));
    expect(storyOf(result)).toBe("200 7 hit");
    expect(flushes.map((commands) => commands.toSorted())).toEqual([
      ["EVALSHA", "GET", "SISMEMBER"],
      ["EVALSHA", "EVALSHA", "GET"],
    ]);
    const used = async (kit: Kit, type: string): Promise<number> =>
      (await kit.rateLimit.peek(type, HERE)).used;
    expect(await used(one, "api")).toBe(4);
    expect(await used(two, "theirs")).toBe(4);
    expect(await used(two, "more")).toBe(4);
  });

  it("know nothing of each other's sessions", async () => {
    const one = await waiting.kit();
    const two = await waiting.kit({ namespace: "two", secret: "another" });
    const stack = await serveStack(one, [
      one.rateLimit(),
      two.rateLimit("theirs"),
      one.session(),
      two.session(),
      tellUser,
    ]);
    const cookie = await stack.signIn();
    await stack.warm(cookie);
    expect(storyOf(await stack.ask(cookie))).toBe("200 7 -");
    await two.sessions.endAll("7");
    expect(storyOf(await stack.ask(cookie))).toBe("200 7 -");
    await one.sessions.endAll("7");
    expect(storyOf(await stack.ask(cookie))).toBe("200 nobody -");
  });
});

describe("one kit on two apps", () => {
  it("each waits once, and they share counts, sessions and entries", async () => {
    const kit = await waiting.kit();
    const middlewares = fullStack(kit);
    const one = await serveStack(kit, middlewares);
    const two = await serveStack(kit, middlewares, (all, handler) => {
      const app = expressApp();
      app.get("/brands/:id/settings", ...([...all, handler] as RequestHandler[]));
      return app as RequestListener;
    });
    const cookie = await one.signIn();
    const same = { headers: { Host: "shop.test" } };
    await one.warm(cookie, same);
    for (const { ask } of [two, one, two]) {
      const { result } = await waiting.turnstile().pass(() => ask(cookie, same), 1);
      expect(storyOf(result)).toBe("200 7 hit");
    }
    expect([one.runs(), two.runs()]).toEqual([1, 0]);
    expect((await kit.rateLimit.peek("api", HERE)).used).toBe(6);
  });

  it("an app where less follows is not held up, and nothing is left counted", async () => {
    const kit = makeKit({ redis: waiting.server().url, secret: "s", deadline: "10s" });
    const limiter = kit.rateLimit();
    const second = kit.rateLimit("second", { limit: 50 });
    const long = await serveStack(kit, [limiter, second]);
    const short = await serveStack(kit, [limiter]);
    await long.warm();
    for (let times = 0; times < 5; times++) expect((await short.ask()).status).toBe(200);
    await afterRoundTrips(kit);
    expect((await kit.rateLimit.peek("second", HERE)).used).toBe(2);
    expect((await kit.rateLimit.peek("api", HERE)).used).toBe(7);
  });
});
