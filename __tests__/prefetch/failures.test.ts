/** Redis fails in the flush: each middleware does what it would have done alone. */
import { beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import type { Kit, Middleware, RedisErrorPolicy } from "express-redis-kit";
import { expectSame, serveBothWays, tellOf, type Way } from "../support/both-ways.ts";
import { makeKit } from "../support/kit.ts";
import { type RedisServer, startRedis, until } from "../support/redis-server.ts";
import { fullStack, serveStack, storyOf, toldSession } from "../support/stack.ts";

let server: RedisServer;
beforeAll(async () => {
  server = await startRedis();
});
beforeEach(() => server.client.flushall());

const HERE = "127.0.0.1";
const DEADLINE = 400;

/**
 * Answers between the first limiter and what follows, where the request says so: some turns of the loop
 * later, so that what was asked ahead has failed by then, and nobody has come for it.
 */
const answering: Middleware = (request, response, next) => {
  if (request.headers["x-step"] !== "answered") return next();
  let turns = 0;
  const turn = (): void => {
    turns += 1;
    if (turns > 20) response.end("between");
    else setImmediate(turn);
  };
  turn();
};

const stackOf =
  (onRedisError: RedisErrorPolicy) =>
  (kit: () => Kit): Middleware[] => [
    kit().rateLimit("first", { limit: 5000 }),
    answering,
    ...toldSession(kit()),
    kit().rateLimit("second", { limit: 5000, onRedisError }),
    kit().cache("brand:settings", { scope: "public" }),
  ];

const waysOf = (onRedisError: RedisErrorPolicy = "memory") =>
  serveBothWays({ redis: server.url, deadline: DEADLINE }, stackOf(onRedisError));

/** Of each way: warm, then `meanwhile` with requests of all kinds, then what `after` undoes. */
async function play(
  { ask, signIn, warm, rest, kits }: Way,
  meanwhile: () => unknown,
  after: () => unknown,
): Promise<unknown> {
  for (const kit of kits) {
    await until(async () => (await kit.health()).status === "ok", "Redis is there again");
  }
  const cookie = await signIn();
  await warm(cookie);
  await warm();
  await rest();
  const seen: unknown[] = [];
  await meanwhile();
  try {
    for (const who of [cookie, undefined]) {
      const answered = { headers: { "X-Step": "answered" } };
      for (const options of [{}, answered, {}]) {
        const { status, headers } = await ask(who, options);
        seen.push([status, headers["x-user"], headers["retry-after"] !== undefined]);
      }
    }
  } finally {
    await after();
  }
  return seen;
}

async function expectWell({ ask, signIn }: Way): Promise<void> {
  const isWell = async () => storyOf(await ask(await signIn())) === "200 7 hit";
  await until(isWell, "all of it works again");
}

describe.each(["memory", "open", "closed"] as const)("a second limiter with '%s'", (policy) => {
  it("Redis stands still", async () => {
    const { together, apart } = await waysOf(policy);
    const stop = () => server.kill("SIGSTOP");
    const goOn = () => server.kill("SIGCONT");
    const expected = await play(apart, stop, goOn);
    expect(await play(together, stop, goOn)).toEqual(expected);
    await expectWell(together);
  });
});

it("Redis is gone, and comes back empty", async () => {
  const { together, apart } = await waysOf();
  const end = async () => {
    server.kill("SIGKILL");
    await until(() => server.process.signalCode !== null, "the server is gone");
  };
  const expected = await play(apart, end, () => server.restart());
  expect(await play(together, end, () => server.restart())).toEqual(expected);
  await expectWell(together);
});

it("scripts that Redis has forgotten are sent again, and each request counts once", async () => {
  const ways = await serveBothWays({ redis: server.url, deadline: "10s" }, stackOf("closed"));
  await expectSame(ways, async ({ ask, signIn, warm }) => {
    const seen: unknown[] = [];
    const cookie = await signIn();
    await warm(cookie);
    for (let times = 0; times < 4; times++) {
      await server.client.script("FLUSH");
      seen.push(tellOf(await ask(cookie)));
    }
    expect(seen).toHaveLength(4);
    return seen;
  });
});

describe("a key that holds what it should not", () => {
  it.each(["session:", "user:", "ratelimit:first", "ratelimit:second", "cache:brand"])(
    "%s",
    async (prefix) => {
      const ways = await serveBothWays({ redis: server.url, deadline: "10s" }, stackOf("closed"));
      await expectSame(ways, async (way) => {
        const { ask, signIn, warm } = way;
        const cookie = await signIn();
        await warm(cookie);
        const namespace = way === ways.together ? "together" : "apart";
        const keys = await server.client.keys(`${namespace}:${prefix}*`);
        expect(keys).toHaveLength(1);
        await server.client.del(keys[0]!);
        await server.client.hset(keys[0]!, { not: "yours" });
        const seen: unknown[] = [];
        for (const who of [cookie, undefined, cookie]) {
          const { status, headers } = await ask(who);
          seen.push([status, headers["x-user"]]);
        }
        await server.client.del(keys[0]!);
        return seen;
      });
    },
  );
});

it("an answer under way when the kit is closed harms nobody", async () => {
  const kit = makeKit({ redis: server.url, deadline: DEADLINE, secret: "s" });
  const { ask, signIn, warm } = await serveStack(kit, fullStack(kit));
  const cookie = await signIn();
  await warm(cookie);
  expect((await kit.rateLimit.peek("api", HERE)).used).toBe(3);
  server.kill("SIGSTOP");
  try {
    const asked = [ask(cookie), ask(), ask(cookie)];
    const closing = kit.close();
    const replies = await Promise.all(asked);
    await closing;
    for (const { status } of replies) expect([200, 503]).toContain(status);
  } finally {
    server.kill("SIGCONT");
  }
});
