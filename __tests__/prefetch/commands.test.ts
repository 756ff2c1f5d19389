/** What a request costs Redis: what it needs, once, and what refuses it extends nothing. */
import { beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import type { Kit, KitOptions, Middleware } from "express-redis-kit";
import { afterRoundTrips } from "../support/cache.ts";
import { makeKit } from "../support/kit.ts";
import { type Monitor, namesOf, startMonitor } from "../support/monitor.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { fullStack, serveStack, storyOf, tellUser } from "../support/stack.ts";

let server: RedisServer;
let monitor: Monitor;
beforeAll(async () => {
  server = await startRedis();
  monitor = await startMonitor(server);
});
beforeEach(() => server.client.flushall());

function kitOf(options: KitOptions = {}): Kit {
  return makeKit({ redis: server.url, deadline: "10s", secret: "s", ...options });
}

/** A twentieth of it is how often a session's expiry moves. */
const IDLE = 6000;

function stackOf(kit: Kit, limit: number): Middleware[] {
  return [
    kit.rateLimit({ limit }),
    kit.session({ idle: IDLE }),
    tellUser,
    kit.cache("brand:settings", { scope: "public", ttl: "10m" }),
  ];
}

describe("a warm hit", () => {
  it("sends four commands where someone is signed in, and two where nobody is", async () => {
    const kit = kitOf();
    const { ask, signIn, warm } = await serveStack(kit, fullStack(kit));
    const cookie = await signIn();
    await warm(cookie);
    const signedIn = await monitor.during(async () => {
      expect(storyOf(await ask(cookie))).toBe("200 7 hit");
    });
    expect(namesOf(signedIn)).toEqual(["EVALSHA", "GET", "GET", "SISMEMBER"]);
    await warm();
    const anonymous = await monitor.during(() => ask());
    expect(namesOf(anonymous)).toEqual(["EVALSHA", "GET"]);
  });

  it("moves the session's expiry at most once per twentieth of it", async () => {
    const kit = kitOf();
    const { ask, signIn, warm } = await serveStack(kit, fullStack(kit));
    const cookie = await signIn();
    await warm(cookie);
    const seen = await monitor.during(async () => {
      for (let times = 0; times < 20; times++) await ask(cookie);
      await afterRoundTrips(kit);
    });
    expect(namesOf(seen).filter((name) => name === "PEXPIRE")).toEqual([]);
    expect(namesOf(seen).filter((name) => name === "EVALSHA")).toHaveLength(20);
  });
});

describe("a request that the limiter refuses", () => {
  async function start(limit: number, make = stackOf) {
    const kit = kitOf();
    const stack = await serveStack(kit, make(kit, limit));
    const cookie = await stack.signIn();
    await stack.warm(cookie);
    return { kit, cookie, ...stack };
  }

  it("costs one flush, and those after it cost nothing", async () => {
    const { ask, cookie, kit } = await start(3);
    const first = await monitor.during(async () => {
      expect((await ask(cookie)).status).toBe(429);
      await afterRoundTrips(kit);
    });
    const names = namesOf(first).filter((name) => name !== "PING");
    expect(names).toEqual(["EVALSHA", "GET", "GET", "SISMEMBER"]);
    const later = await monitor.during(async () => {
      for (let times = 0; times < 20; times++) expect((await ask(cookie)).status).toBe(429);
    });
    expect(later).toEqual([]);
  });

  /** That much time is the rule itself: the session's expiry is due to move again. */
  const due = async (): Promise<void> => {
    await new Promise((resolve) => void setTimeout(resolve, IDLE / 20 + 20));
  };

  it.each<[string, (kit: Kit, limit: number) => Middleware[]]>([
    ["first", stackOf],
    [
      "after session()",
      (kit, limit) => {
        const [limiter, session, ...others] = stackOf(kit, limit);
        return [session!, limiter!, ...others];
      },
    ],
  ])(
    "extends neither session, nor Set, nor entry, if the limiter stands %s",
    async (_where, make) => {
      const { ask, cookie, kit } = await start(4, make);
      const keys = (await server.client.keys("*")).filter((key) => !key.startsWith("ratelimit:"));
      expect(keys).toHaveLength(3);
      const ends = async (): Promise<number[]> =>
        Promise.all(keys.map((key) => server.client.pexpiretime(key)));
      const asked = (status: number) =>
        monitor.during(async () => {
          expect((await ask(cookie)).status).toBe(status);
          await afterRoundTrips(kit);
        });
      await due();
      expect(namesOf(await asked(200))).toContain("PEXPIRE");
      await due();
      const before = await ends();
      expect(namesOf(await asked(429))).not.toContain("PEXPIRE");
      expect(await ends()).toEqual(before);
      await kit.rateLimit.reset("api", "127.0.0.1");
      expect(namesOf(await asked(200))).toContain("PEXPIRE");
    },
  );
});

it("a request whose session was ended extends neither its tombstone nor the user's Set", async () => {
  const kit = kitOf();
  const { ask, signIn, warm } = await serveStack(kit, stackOf(kit, 100));
  const cookie = await signIn();
  await warm(cookie);
  const other = kitOf();
  other.session({ idle: IDLE });
  await other.sessions.endAll("7");
  const [tombstone] = await server.client.keys("session:*");
  const before = await server.client.pexpiretime(tombstone!);
  const seen = await monitor.during(async () => {
    expect(storyOf(await ask(cookie))).toBe("200 nobody hit");
    await afterRoundTrips(kit);
  });
  expect(namesOf(seen)).not.toContain("PEXPIRE");
  expect(await server.client.pexpiretime(tombstone!)).toBe(before);
});
