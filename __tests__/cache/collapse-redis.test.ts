import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { once } from "node:events";
import type { KitOptions } from "express-redis-kit";
import { afterRoundTrips, watchCache } from "../support/cache.ts";
import { type Answer, type HeldApp, serveHeld } from "../support/held-app.ts";
import { makeKit } from "../support/kit.ts";
import { type RawReply, textOf } from "../support/raw.ts";
import { type RedisServer, startRedis, until } from "../support/redis-server.ts";

let server: RedisServer;
beforeEach(async () => {
  server = await startRedis();
});
afterEach(async () => {
  server.kill("SIGCONT");
  await server.stop();
});

/** So long that a test which had to wait for it would fail. */
const LONG = { wait: "60s", age: "60s" } as const;

async function start(options: KitOptions = {}) {
  const kit = makeKit({ redis: server.url, ...options });
  await kit.ready();
  const log = watchCache(kit);
  const app = await serveHeld([kit.cache("page", { collapse: LONG, tags: ["pages"] })]);
  return { kit, log, app };
}

const lockKeys = async (): Promise<string[]> => server.client.keys("cache:@lock:*");

describe("the keys of a lock", () => {
  it("stand with a TTL while a handler renders, and nowhere else", async () => {
    const { app } = await start({ deadline: "10s" });
    const reply = app.ask();
    await app.called(1);
    await until(async () => (await lockKeys()).length === 1, "there is a lock");
    for (const key of await server.client.keys("*")) {
      expect(key).toMatch(/^cache:/);
      expect(await server.client.pttl(key)).toBeGreaterThan(0);
    }
    const [lock] = await lockKeys();
    expect(await server.client.pttl(lock!)).toBeLessThanOrEqual(60_000);
    app.answer(0, "page");
    await reply;
    await until(async () => (await lockKeys()).length === 0, "the lock is given back");
    for (const key of await server.client.keys("*")) {
      expect(await server.client.pttl(key)).toBeGreaterThan(0);
    }
  });

  const END: readonly (readonly [string, Answer])[] = [
    ["an answer that is stored", (response) => response.end("page")],
    [
      "an answer that is refused",
      (response) => {
        response.setHeader("Cache-Control", "no-store");
        response.end("page");
      },
    ],
    [
      "an error",
      (response) => {
        response.statusCode = 500;
        response.end("failed");
      },
    ],
    ["a response that breaks off", (response) => void response.destroy()],
  ];
  it.each(END)("are gone after %s", async (_name, answer) => {
    const { app } = await start({ deadline: "10s" });
    const reply = app.ask().catch(() => undefined);
    await app.called(1);
    await until(async () => (await lockKeys()).length === 1, "there is a lock");
    app.answer(0, answer);
    await reply;
    await until(async () => (await lockKeys()).length === 0, "the lock is given back");
  });

  it("are gone after a client that left", async () => {
    const { app } = await start({ deadline: "10s" });
    const leaving = new AbortController();
    const gone = fetch(app.url, { signal: leaving.signal }).catch(() => "gone");
    await app.called(1);
    await until(async () => (await lockKeys()).length === 1, "there is a lock");
    leaving.abort();
    expect(await gone).toBe("gone");
    await until(async () => (await lockKeys()).length === 0, "the lock is given back");
  });

  it("are left alone by one whose lock was taken by another", async () => {
    const { app, kit, log } = await start({ deadline: "10s" });
    const reply = app.ask();
    await app.called(1);
    await until(async () => (await lockKeys()).length === 1, "there is a lock");
    const [lock] = await lockKeys();
    await server.client.set(lock!, "another one's token", "PX", 30_000);
    app.answer(0, "page");
    await reply;
    await log.settled(1);
    await afterRoundTrips(kit);
    expect(await server.client.get(lock!)).toBe("another one's token");
  });

  it("do not outlive a purge's effect: foreign bytes there are no reason for an error", async () => {
    const { app } = await start({ deadline: "10s" });
    const reply = app.ask();
    await app.called(1);
    await until(async () => (await lockKeys()).length === 1, "there is a lock");
    const [lock] = await lockKeys();
    app.answer(0, "page");
    await reply;
    await until(async () => (await lockKeys()).length === 0, "the lock is given back");
    await server.client.flushall();
    await server.client.sadd(lock!, "member");
    app.answerAll("own");
    const second = await app.ask();
    expect([second.status, textOf(second)]).toEqual([200, "own"]);
  });
});

const FAULTS: readonly (readonly [string, () => Promise<void>])[] = [
  ["freezes", async () => server.kill("SIGSTOP")],
  [
    "dies",
    async () => {
      const exited = once(server.process, "exit");
      server.kill("SIGKILL");
      await exited;
    },
  ],
];

describe.each(FAULTS)("where Redis %s while a handler renders", (_name, breakIt) => {
  it("nobody hangs, and no request runs its handler twice", async () => {
    const [one, two] = [await start(), await start()];
    let asked = 0;
    const askAll = (app: HeldApp, count: number): Promise<RawReply[]> =>
      Promise.all(
        Array.from({ length: count }, () => app.ask({ headers: { "X-Request": `${++asked}` } })),
      );
    const first = askAll(one.app, 1);
    await one.app.called(1);
    const early = [askAll(one.app, 10), askAll(two.app, 10)];
    await Promise.all([one.app.arrived(11), two.app.arrived(10)]);
    await breakIt();
    const late = [askAll(one.app, 5), askAll(two.app, 5)];
    one.app.answerAll("own");
    two.app.answerAll("own");
    for (const reply of (await Promise.all([first, ...early, ...late])).flat()) {
      expect([reply.status, textOf(reply)]).toEqual([200, "own"]);
    }
    const runs = [...one.app.calls, ...two.app.calls].map(
      ({ request }) => request.headers["x-request"],
    );
    expect(runs).toHaveLength(new Set(runs).size);
    // What renders elsewhere cannot be waited for any more.
    expect(two.app.calls.length).toBeGreaterThan(0);
  });
});
