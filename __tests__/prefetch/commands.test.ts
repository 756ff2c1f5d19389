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
  async function start(limit: number) {
    const kit = kitOf();
    const stack = await serveStack(kit, stackOf(kit, limit));
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

  it("extends neither session, nor Set, nor entry", async () => {
    const { ask, cookie, kit } = await start(4);
    const keys = (await server.client.keys("*")).filter((key) => !key.startsWith("ratelimit:"));
    expect(
      keys.map((key) => key.replace(/:.*/, "")).toSorted((a, b) => a.localeCompare(b)),
    ).toEqual(["cache", "session", "user"]);
    // That much time is the rule itself: the expiry is due to move again.
    const due = async (): Promise<void> => {
      await new Promise((resolve) => void setTimeout(resolve, IDLE / 20 + 20));
    };
    await due();
    const admitted = await monitor.during(async () => {
      expect((await ask(cookie)).status).toBe(200);
      await afterRoundTrips(kit);
    });
    expect(namesOf(admitted)).toContain("PEXPIRE");
    await due();
    const ends = async (): Promise<number[]> =>
      Promise.all(keys.map((key) => server.client.pexpiretime(key)));
    const before = await ends();
    const refused = await monitor.during(async () => {
      expect((await ask(cookie)).status).toBe(429);
      await afterRoundTrips(kit);
    });
    expect(namesOf(refused)).not.toContain("PEXPIRE");
    expect(await ends()).toEqual(before);
  });
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
