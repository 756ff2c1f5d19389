/** Paths that this process has not seen, on a route that it has. */
import { expect, it } from "@jest/globals";
import { afterRoundTrips } from "../support/cache.ts";
import { makeKit } from "../support/kit.ts";
import { fullStack, serveStack, storyOf } from "../support/stack.ts";
import { setUpWaiting } from "../support/waiting.ts";

const waiting = setUpWaiting();

/** Both processes are asked for the same host, for entries differ by it. */
const NEW = { path: "/brands/7/settings", headers: { Host: "shop.test" } };

it("a new path waits once for limiter, session and guard, and once for an entry that another process stored", async () => {
  const kit = await waiting.kit();
  const { ask, signIn, warm } = await serveStack(kit, fullStack(kit));
  const cookie = await signIn();
  await warm(cookie);
  const other = makeKit({ redis: waiting.server().url, secret: "s", deadline: "30s" });
  await (await serveStack(other, fullStack(other))).warm(cookie, NEW);
  const { flushes, result } = await waiting.turnstile().pass(() => ask(cookie, NEW), 2);
  expect(storyOf(result)).toBe("200 7 hit");
  expect(flushes.map((commands) => commands.toSorted())).toEqual([
    ["EVALSHA", "GET", "SISMEMBER"],
    ["GET"],
  ]);
  const { result: next } = await waiting.turnstile().pass(() => ask(cookie, NEW), 1);
  expect(storyOf(next)).toBe("200 7 hit");
});

it("a session that this process has not seen waits once more, for its guard", async () => {
  const kit = await waiting.kit();
  const { ask, signIn, warm } = await serveStack(kit, fullStack(kit));
  await warm(await signIn());
  const cookie = await signIn("8");
  await afterRoundTrips(kit);
  const { flushes, result } = await waiting.turnstile().pass(() => ask(cookie));
  expect(storyOf(result)).toBe("200 8 hit");
  expect(flushes.length).toBeLessThanOrEqual(2);
  const { result: next } = await waiting.turnstile().pass(() => ask(cookie), 1);
  expect(storyOf(next)).toBe("200 8 hit");
});

it("paths without number are no reason to forget: those of a route go on to wait for what is known of it", async () => {
  const kit = await waiting.kit();
  const { ask, signIn, warm } = await serveStack(kit, fullStack(kit));
  const cookie = await signIn();
  await warm(cookie);
  for (let id = 0; id < 12; id++) {
    const path = `/brands/new-${id}/settings`;
    const { flushes } = await waiting.turnstile().pass(() => ask(cookie, { path }));
    expect(flushes[0]!.toSorted()).toEqual(["EVALSHA", "GET", "SISMEMBER"]);
  }
});

it("a path is not asked for what another one needs, once both are known", async () => {
  const kit = await waiting.kit();
  const second = kit.rateLimit("second", { limit: 50 });
  const { ask, warm } = await serveStack(kit, [
    kit.rateLimit(),
    (request, response, next) => {
      if (request.url?.startsWith("/brands/plain/")) next();
      else second(request, response, next);
    },
  ]);
  const plain = { path: "/brands/plain/settings" };
  await warm();
  await warm(undefined, plain);
  const { flushes } = await waiting.turnstile().pass(() => ask(undefined, plain), 1);
  expect(flushes).toEqual([["EVALSHA"]]);
  const { flushes: others } = await waiting.turnstile().pass(() => ask(), 1);
  expect(others).toEqual([["EVALSHA", "EVALSHA"]]);
});
