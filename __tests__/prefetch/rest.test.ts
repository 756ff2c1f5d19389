/** Over REST, where every wait is an HTTP request of its own: one of them for a warm request. */
import { beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import type { Kit } from "express-redis-kit";
import { afterRoundTrips } from "../support/cache.ts";
import { makeKit } from "../support/kit.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { type RestEmulator, startRestEmulator } from "../support/rest-emulator.ts";
import { fullStack, serveStack, type Stack, storyOf, toldSession } from "../support/stack.ts";

let server: RedisServer;
let rest: RestEmulator;
beforeAll(async () => {
  server = await startRedis();
  rest = await startRestEmulator({ socketPath: server.socketPath });
});
beforeEach(() => server.client.flushall());

async function start(middlewares: (kit: Kit) => ReturnType<typeof fullStack>) {
  const redis = { url: rest.url, token: "token" };
  const kit = makeKit({ redis, deadline: "10s", secret: "s" });
  const stack = await serveStack(kit, middlewares(kit));
  const cookie = await stack.signIn();
  await stack.warm(cookie);
  return { kit, cookie, ...stack };
}

/** The HTTP requests that one request takes, as the commands of each, sorted. */
async function requestsOf(
  kit: Kit,
  ask: () => ReturnType<Stack["ask"]>,
): Promise<{ story: string; requests: string[][] }> {
  const before = rest.requests.length;
  const reply = await ask();
  const requests = rest.requests.slice(before);
  await afterRoundTrips(kit);
  return {
    story: storyOf(reply),
    requests: requests.map(({ commands }) =>
      commands.map(([name]) => String(name).toUpperCase()).toSorted((a, b) => a.localeCompare(b)),
    ),
  };
}

describe("one HTTP request takes", () => {
  it("limiter, session, guard and cache", async () => {
    const { kit, cookie, ask } = await start(fullStack);
    expect(await requestsOf(kit, () => ask(cookie))).toEqual({
      story: "200 7 hit",
      requests: [["EVALSHA", "GET", "GET", "SISMEMBER"]],
    });
    expect((await requestsOf(kit, () => ask())).story).toBe("200 nobody hit");
    expect(await requestsOf(kit, () => ask())).toEqual({
      story: "200 nobody hit",
      requests: [["EVALSHA", "GET"]],
    });
  });

  it("a session before a limiter", async () => {
    const { kit, cookie, ask } = await start((made) => [...toldSession(made), made.rateLimit()]);
    expect(await requestsOf(kit, () => ask(cookie))).toEqual({
      story: "200 7 -",
      requests: [["EVALSHA", "GET", "SISMEMBER"]],
    });
  });
});

it("a request that is refused costs one, and the next ones none", async () => {
  const { kit, cookie, ask } = await start((made) => [
    made.rateLimit({ limit: 3 }),
    ...toldSession(made),
  ]);
  const refused = await requestsOf(kit, () => ask(cookie));
  expect(refused).toEqual({
    story: "429 - -",
    requests: [["EVALSHA", "GET", "SISMEMBER"]],
  });
  expect(await requestsOf(kit, () => ask(cookie))).toEqual({ story: "429 - -", requests: [] });
});
