/** What is purged between the first middleware and the cache was purged before the cache looks. */
import { describe, expect, it } from "@jest/globals";
import type { CacheOptions, Kit } from "express-redis-kit";
import { describeBackends } from "../support/backends.ts";
import { createBetween } from "../support/between.ts";
import { afterRoundTrips } from "../support/cache.ts";
import { makeKit } from "../support/kit.ts";
import { send } from "../support/raw.ts";
import { serveStack, storyOf, toldSession } from "../support/stack.ts";

const PURGES: Readonly<Record<string, (kit: Kit) => Promise<unknown>>> = {
  "purge()": (kit) => kit.cache.purge("brand:settings", { id: "456" }),
  "expire()": (kit) => kit.cache.expire("brand:settings", { id: "456" }),
  "purgeTag()": (kit) => kit.cache.purgeTag("brand:456"),
  "expireTag()": (kit) => kit.cache.expireTag("brand:[id]", { id: "456" }),
  "clear()": (kit) => kit.cache.clear(),
};

const OPTIONS: Readonly<Record<string, CacheOptions>> = {
  "for all": { scope: "public" },
  "for each user": { scope: "user" },
  "for all, with a memory tier": { scope: "public", memory: { max: 10, ttl: "1m" } },
  "by the response's own terms": { scope: "public", ttl: "origin" },
};

describeBackends("a purge on the way to the cache", (backend) => {
  const start = async (options: CacheOptions, deadline: number | string = "10s") => {
    const kit = makeKit({ ...backend.options(), deadline, secret: "s" });
    const between = createBetween();
    const stack = await serveStack(kit, [
      kit.rateLimit(),
      between.middleware,
      ...toldSession(kit),
      kit.cache("brand:settings", { tags: ["brand:[id]"], ...options }),
      (_request, response, next) => {
        response.setHeader("Cache-Control", "max-age=600");
        next();
      },
    ]);
    const cookie = await stack.signIn();
    await stack.warm(cookie);
    expect(storyOf(await stack.ask(cookie))).toBe("200 7 hit");
    return { kit, between, cookie, ...stack };
  };

  describe.each(Object.entries(OPTIONS))("%s", (_title, options) => {
    it.each(Object.entries(PURGES))("%s: the handler runs", async (_name, purge) => {
      const { kit, between, cookie, ask, runs } = await start(options);
      between.next(() => purge(kit));
      const reply = await ask(cookie);
      expect([runs(), reply.body.toString()]).toEqual([2, "run 2"]);
      await afterRoundTrips(kit);
      expect((await ask(cookie)).body.toString()).toBe("run 2");
    });
  });

  it("purgeUser(): the handler runs", async () => {
    const { kit, between, cookie, ask } = await start({ scope: "user" });
    between.next(() => kit.cache.purgeUser("7"));
    expect((await ask(cookie)).body.toString()).toBe("run 2");
  });

  it("of another resource: the entry is served", async () => {
    const { kit, between, cookie, ask } = await start({ scope: "public" });
    between.next(() => kit.cache.purge("brand:settings", { id: "457" }));
    expect((await ask(cookie)).body.toString()).toBe("run 1");
  });

  it("purges() of another request: the handler runs", async () => {
    const { kit, between, cookie, ask } = await start({ scope: "public" });
    const { url } = await serveStack(kit, [kit.cache.purges({ tag: "brand:456" })]);
    between.next(() => send(url, { path: "/brands/1/settings" }));
    expect((await ask(cookie)).body.toString()).toBe("run 2");
  });

  if (backend.name === "redis") {
    it("of another process, while the request was on its way for longer than an answer is good for", async () => {
      const { between, cookie, ask } = await start({ scope: "public" }, 500);
      const other = makeKit({ ...backend.options(), secret: "s" });
      between.next(async () => {
        await other.cache.purge("brand:settings", { id: "456" });
        // That much time is the rule itself: the deadline and a second more.
        await new Promise((resolve) => void setTimeout(resolve, 1600));
      });
      expect((await ask(cookie)).body.toString()).toBe("run 2");
    });
  }
});
