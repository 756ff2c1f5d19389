/** Whose a session was is remembered to ask for the guard in time; whose it is, the session says. */
import { beforeAll, beforeEach, expect, it } from "@jest/globals";
import type { Request } from "express";
import { createBetween } from "../support/between.ts";
import { afterRoundTrips } from "../support/cache.ts";
import { makeKit } from "../support/kit.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { cookieOf } from "../support/session-app.ts";
import { serveStack, storyOf, tellUser } from "../support/stack.ts";

let server: RedisServer;
beforeAll(async () => {
  server = await startRedis();
});
beforeEach(() => server.client.flushall());

it("a session that somebody wrote another user into passes that user's guard, not the old one's", async () => {
  const kit = makeKit({ redis: server.url, deadline: "10s", secret: "s" });
  const { ask, signIn, warm } = await serveStack(kit, [
    kit.rateLimit(),
    kit.session({ concurrent: 2 }),
    tellUser,
  ]);
  const cookie = await signIn("7");
  const other = await signIn("8");
  await warm(cookie);
  await warm(other);
  const key = async (user: string): Promise<string> => {
    const [id] = await server.client.smembers(`user:${user}:sessions`);
    return `session:${id}`;
  };
  const [mine, theirs] = [await key("7"), await key("8")];
  const text = (await server.client.get(mine))!;
  expect(text).toContain('"userId":"7"');
  await server.client.set(mine, text.replace('"userId":"7"', '"userId":"8"'), "KEEPTTL");
  expect(storyOf(await ask(cookie))).toBe("200 nobody -");
  expect(storyOf(await ask(other))).toBe("200 8 -");
  // Once the Set of that user has it, it is one of his.
  await server.client.sadd("user:8:sessions", mine.replace("session:", ""));
  expect(storyOf(await ask(cookie))).toBe("200 8 -");
  await server.client.srem("user:8:sessions", theirs.replace("session:", ""));
  expect(storyOf(await ask(other))).toBe("200 nobody -");
});

it("an anonymous session that another request destroys on the way is gone", async () => {
  const kit = makeKit({ redis: server.url, deadline: "10s", secret: "s" });
  const between = createBetween();
  const session = kit.session();
  const carts: unknown[] = [];
  const { ask } = await serveStack(kit, [
    kit.rateLimit(),
    between.middleware,
    session,
    (request, _response, next) => {
      const { session: data } = request as unknown as { session: { cart?: string } };
      carts.push(data.cart);
      if (request.headers["x-cart"]) data.cart = "full";
      next();
    },
  ]);
  const destroying = await serveStack(kit, [
    session,
    (request, response, next) => {
      (request as Request).session.destroy((error?: unknown) => {
        if (error) next(error);
        else response.end();
      });
    },
  ]);
  const cookie = cookieOf(await ask(undefined, { headers: { "X-Cart": "yes" } }));
  await ask(cookie);
  await ask(cookie);
  await afterRoundTrips(kit);
  between.next(() => destroying.ask(cookie));
  await ask(cookie);
  expect(carts).toEqual([undefined, "full", "full", undefined]);
});
