/** Requests of one session that are on their way at once: each reads for itself, and has a session of its own. */
import { beforeAll, beforeEach, expect, it } from "@jest/globals";
import type { Request } from "express";
import type { Kit, Middleware } from "express-redis-kit";
import { afterRoundTrips } from "../support/cache.ts";
import { makeKit } from "../support/kit.ts";
import { type Monitor, namesOf, startMonitor } from "../support/monitor.ts";
import { type RedisServer, startRedis, until } from "../support/redis-server.ts";
import { PATH, serveStack, type Stack, storyOf, tellUser } from "../support/stack.ts";

let server: RedisServer;
let monitor: Monitor;
beforeAll(async () => {
  server = await startRedis();
  monitor = await startMonitor(server);
});
beforeEach(() => server.client.flushall());

interface Door {
  readonly kit: Kit;
  readonly stack: Stack;
  readonly cookie: string;
  /** Requests that wait between the limiter and session(), and those that have a session and wait before the handler. */
  readonly waiting: (() => void)[];
  readonly sessions: Request["session"][];
}

/** `X-Stop: before` or `after` stops a request there until it is told to go on; a GET of `/out` signs out. */
async function start(): Promise<Door> {
  const kit = makeKit({ redis: server.url, deadline: "10s", secret: "s" });
  const waiting: (() => void)[] = [];
  const sessions: Request["session"][] = [];
  const stopping =
    (where: string): Middleware =>
    (request, _response, next) => {
      if (request.headers["x-stop"] === where) waiting.push(next);
      else next();
    };
  const stack = await serveStack(kit, [
    kit.rateLimit({ limit: 1000 }),
    stopping("before"),
    kit.session(),
    tellUser,
    (request, _response, next) => {
      sessions.push((request as Request).session);
      next();
    },
    stopping("after"),
    (request, response, next) => {
      if (request.headers["x-do"] === "logout") {
        void kit.logout(request).then(() => void response.end(), next);
      } else next();
    },
  ]);
  const cookie = await stack.signIn();
  await stack.warm(cookie);
  sessions.length = 0;
  return { kit, stack, cookie, waiting, sessions };
}

const stop = (where: string) => ({ path: PATH, headers: { "X-Stop": where } });

it("each of them sends its own GET and SISMEMBER, and has a session object of its own", async () => {
  const { kit, stack, cookie, sessions } = await start();
  const seen = await monitor.during(async () => {
    const replies = await Promise.all(Array.from({ length: 25 }, () => stack.ask(cookie)));
    expect(new Set(replies.map(storyOf))).toEqual(new Set(["200 7 -"]));
    await afterRoundTrips(kit);
  });
  const names = namesOf(seen);
  const count = (name: string): number => names.filter((each) => each === name).length;
  expect([count("EVALSHA"), count("GET"), count("SISMEMBER")]).toEqual([25, 25, 25]);
  expect(new Set(sessions).size).toBe(25);
});

it("one of two users' sessions never is the other's", async () => {
  const { stack, cookie } = await start();
  const other = await stack.signIn("8");
  await stack.warm(other);
  const replies = await Promise.all(
    Array.from({ length: 60 }, (_, index) => stack.ask([cookie, other, undefined][index % 3])),
  );
  expect(replies.map(({ headers }) => headers["x-user"])).toEqual(
    replies.map((_, index) => ["7", "8", "nobody"][index % 3]),
  );
});

it("who signs out while another request has its answers asked for ahead, signs that one out, too", async () => {
  const { stack, cookie, waiting } = await start();
  const asked = stack.ask(cookie, stop("before"));
  await until(() => waiting.length === 1, "it waits before session()");
  await stack.ask(cookie, { headers: { "X-Do": "logout" } });
  waiting[0]!();
  expect(storyOf(await asked)).toBe("200 nobody -");
});

it("who signs out while another request has its session does not change that request's session object", async () => {
  const { stack, cookie, waiting, sessions } = await start();
  const asked = stack.ask(cookie, stop("after"));
  await until(() => waiting.length === 1, "it waits behind session()");
  await stack.ask(cookie, { headers: { "X-Do": "logout" } });
  expect(sessions).toHaveLength(2);
  expect(sessions[0]).not.toBe(sessions[1]);
  expect(sessions[0]).toMatchObject({ userId: "7" });
  waiting[0]!();
  expect(storyOf(await asked)).toBe("200 7 -");
  expect(storyOf(await stack.ask(cookie))).toBe("200 nobody -");
});

it("an answer is used once: two requests on one connection, one after the other, read twice", async () => {
  const { stack, cookie } = await start();
  const seen = await monitor.during(async () => {
    await stack.ask(cookie);
    await stack.ask(cookie);
  });
  expect(namesOf(seen).filter((name) => name === "GET")).toHaveLength(2);
});
