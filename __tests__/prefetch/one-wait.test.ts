/** A request of a known path waits for Redis once, whatever it passes. */
import { describe, expect, it } from "@jest/globals";
import type { CacheOptions, Kit, Middleware } from "express-redis-kit";
import { fullStack, serveStack, storyOf, tellUser, toldSession } from "../support/stack.ts";
import { setUpWaiting } from "../support/waiting.ts";

const waiting = setUpWaiting();

const cacheOf = (kit: Kit, options: CacheOptions = { scope: "public" }): Middleware =>
  kit.cache("brand:settings", options);

interface Case {
  readonly title: string;
  readonly middlewares: (kit: Kit) => Middleware[];
  readonly isSignedIn: boolean;
  /** What is asked in the one flush, sorted. */
  readonly flush: string;
  /** See `storyOf`. */
  readonly story: string;
}

const CASES: readonly Case[] = [
  {
    title: "limiter, session, guard and cache, signed in",
    middlewares: fullStack,
    isSignedIn: true,
    flush: "EVALSHA GET GET SISMEMBER",
    story: "200 7 hit",
  },
  {
    title: "the same, anonymous",
    middlewares: fullStack,
    isSignedIn: false,
    flush: "EVALSHA GET",
    story: "200 nobody hit",
  },
  {
    title: "a limiter alone",
    middlewares: (kit) => [kit.rateLimit()],
    isSignedIn: false,
    flush: "EVALSHA",
    story: "200 - -",
  },
  {
    title: "a session alone, signed in",
    middlewares: toldSession,
    isSignedIn: true,
    flush: "GET SISMEMBER",
    story: "200 7 -",
  },
  {
    title: "a cache alone",
    middlewares: (kit) => [cacheOf(kit)],
    isSignedIn: false,
    flush: "GET",
    story: "200 - hit",
  },
  {
    title: "a session before a limiter",
    middlewares: (kit) => [...toldSession(kit), kit.rateLimit()],
    isSignedIn: true,
    flush: "EVALSHA GET SISMEMBER",
    story: "200 7 -",
  },
  {
    title: "limiter, session, a second limiter, cache",
    middlewares: (kit) => [
      kit.rateLimit(),
      ...toldSession(kit),
      kit.rateLimit("brands", { limit: 50 }),
      cacheOf(kit),
    ],
    isSignedIn: true,
    flush: "EVALSHA EVALSHA GET GET SISMEMBER",
    story: "200 7 hit",
  },
  {
    title: "two limiters",
    middlewares: (kit) => [kit.rateLimit(), kit.rateLimit("brands", { limit: 50 })],
    isSignedIn: false,
    flush: "EVALSHA EVALSHA",
    story: "200 - -",
  },
  {
    title: "three limiters of three algorithms, the fixed window first",
    middlewares: (kit) => [
      kit.rateLimit("fixed", { algorithm: "fixed-window" }),
      kit.rateLimit("bucket", { algorithm: "token-bucket" }),
      kit.rateLimit("sliding", { limit: 50 }),
    ],
    isSignedIn: false,
    flush: "EVALSHA EVALSHA EVALSHA",
    story: "200 - -",
  },
  {
    title: "a limiter that depends on the request, and one behind it that does not",
    middlewares: (kit) => [
      kit.rateLimit("own", { by: (request) => request.method }),
      kit.rateLimit(),
    ],
    isSignedIn: false,
    flush: "EVALSHA EVALSHA",
    story: "200 - -",
  },
  {
    title: "limiter and cache",
    middlewares: (kit) => [kit.rateLimit(), cacheOf(kit)],
    isSignedIn: false,
    flush: "EVALSHA GET",
    story: "200 - hit",
  },
  {
    title: "a cache with a tag, and one variant for each language",
    middlewares: (kit) => [
      kit.rateLimit(),
      cacheOf(kit, { scope: "public", tags: ["brand:[id]"], vary: ["Accept-Language"] }),
    ],
    isSignedIn: false,
    flush: "EVALSHA MGET",
    story: "200 - hit",
  },
  {
    title: "a cache for each user",
    middlewares: (kit) => [kit.rateLimit(), ...toldSession(kit), cacheOf(kit, { scope: "user" })],
    isSignedIn: true,
    flush: "EVALSHA GET MGET SISMEMBER",
    story: "200 7 hit",
  },
  {
    title: "a cache that follows the response's own terms",
    middlewares: (kit) => [
      kit.rateLimit(),
      cacheOf(kit, { scope: "public", ttl: "origin" }),
      (_request, response, next) => {
        response.setHeader("Cache-Control", "max-age=60");
        next();
      },
    ],
    isSignedIn: false,
    flush: "EVALSHA GET",
    story: "200 - hit",
  },
];

describe("one wait takes", () => {
  it.each(CASES)("$title", async ({ middlewares, isSignedIn, flush, story }) => {
    const kit = await waiting.kit();
    const { ask, signIn, warm } = await serveStack(kit, middlewares(kit));
    const cookie = isSignedIn ? await signInOver(kit, signIn) : undefined;
    await warm(cookie);
    const { flushes, result } = await waiting.turnstile().pass(() => ask(cookie), 1);
    expect(storyOf(result)).toBe(story);
    expect(flushes.map((commands) => commands.toSorted().join(" "))).toEqual([flush]);
  });
});

it("a cache before all others waits for its entry alone, and soon asks for nothing else", async () => {
  const kit = await waiting.kit();
  const middlewares = [cacheOf(kit), kit.session(), kit.rateLimit()];
  const { ask, signIn, warm } = await serveStack(kit, middlewares);
  const cookie = await signIn();
  await warm(cookie);
  const { result } = await waiting.turnstile().pass(() => ask(cookie), 1);
  expect(storyOf(result)).toBe("200 - hit");
  for (let hits = 0; hits < 150; hits++) await ask(cookie);
  const { flushes, unawaited } = await waiting.turnstile().pass(() => ask(cookie), 1);
  expect({ flushes, unawaited }).toEqual({ flushes: [["GET"]], unawaited: [] });
});

/** Signs in, and sees to it that the handler did. */
async function signInOver(kit: Kit, signIn: () => Promise<string>): Promise<string> {
  const cookie = await signIn();
  expect(cookie).toMatch(/^sid=/);
  expect(await kit.sessions.list("7")).toHaveLength(1);
  return cookie;
}

it("a request that has to be made anew waits no more than it needs to: HEAD is answered from GET's entry", async () => {
  const kit = await waiting.kit();
  const { ask, signIn, warm } = await serveStack(kit, fullStack(kit));
  const cookie = await signIn();
  await warm(cookie);
  await warm(cookie, { method: "HEAD" });
  const { result } = await waiting.turnstile().pass(() => ask(cookie, { method: "HEAD" }), 1);
  expect(storyOf(result)).toBe("200 7 hit");
  expect(result.body).toHaveLength(0);
});

it("middlewares of the application's in between cost no wait", async () => {
  const kit = await waiting.kit();
  const slow: Middleware = (_request, _response, next) => void setImmediate(next);
  const [limiter, session, , cache] = fullStack(kit);
  const { ask, signIn, warm } = await serveStack(kit, [
    slow,
    limiter!,
    slow,
    session!,
    tellUser,
    slow,
    cache!,
  ]);
  const cookie = await signIn();
  await warm(cookie);
  const { result } = await waiting.turnstile().pass(() => ask(cookie), 1);
  expect(storyOf(result)).toBe("200 7 hit");
});
