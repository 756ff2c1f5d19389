import { afterEach, beforeEach, expect, it } from "@jest/globals";
import { afterRoundTrips, type CacheLog, watchCache } from "../support/cache.ts";
import { type HeldApp, serveHeld } from "../support/held-app.ts";
import { makeKit } from "../support/kit.ts";
import { textOf } from "../support/raw.ts";
import { type RedisServer, startRedis, until } from "../support/redis-server.ts";
import { startProxy, type TcpProxy } from "../support/tcp-proxy.ts";
import type { CacheOptions, Kit } from "express-redis-kit";

let server: RedisServer;
let proxy: TcpProxy;
beforeEach(async () => {
  server = await startRedis({ tcp: true });
  proxy = await startProxy({ port: server.port });
});
afterEach(async () => {
  await proxy.stop();
  await server.stop();
});

async function startOne(
  port: number,
  options: CacheOptions,
): Promise<{ kit: Kit; log: CacheLog; app: HeldApp }> {
  const kit = makeKit({
    redis: `redis://127.0.0.1:${port}`,
    deadline: "10s",
    connectDeadline: "10s",
  });
  await kit.ready();
  const log = watchCache(kit);
  const collapse = { wait: "60s", age: "60s" } as const;
  const app = await serveHeld([kit.cache("page", { host: false, collapse, ...options })]);
  return { kit, log, app };
}

/** How often the server has read a key. */
async function readings(): Promise<number> {
  const stats = await server.client.info("commandstats");
  const calls = [...stats.matchAll(/^cmdstat_m?get:calls=(\d+)/gm)].map(([, count]) =>
    Number(count),
  );
  return calls.reduce((sum, count) => sum + count, 0);
}

/** Has an instance look, and hears of nothing before `meanwhile` is over. */
async function lookLate<T>(ask: () => Promise<T>, meanwhile: () => Promise<void>): Promise<T> {
  const before = await readings();
  proxy.holdAnswers();
  const answer = ask();
  await until(async () => (await readings()) > before, "it has looked");
  await meanwhile();
  await until(async () => (await server.client.keys("cache:@lock:*")).length === 0, "nobody leads");
  proxy.release();
  return answer;
}

it("who looked before a response was stored, and asks to lead after that, is given it", async () => {
  const one = await startOne(server.port, {});
  const two = await startOne(proxy.port, {});
  const first = one.app.ask();
  await one.app.called(1);
  two.app.answerAll("another one");
  const late = await lookLate(
    () => two.app.ask(),
    async () => {
      one.app.answer(0, "page");
      await first;
      await one.log.settled(1);
    },
  );
  expect(textOf(late)).toBe("page");
  expect(two.app.calls).toHaveLength(0);
  expect(textOf(await one.app.ask())).toBe("page");
});

it("who found a stale entry before it was refreshed does not have it refreshed again", async () => {
  const one = await startOne(server.port, { stale: "60s" });
  const two = await startOne(proxy.port, { stale: "60s" });
  one.app.answerAll("old");
  await one.app.ask();
  await one.log.settled(1);
  await one.kit.cache.expire("page");
  one.app.answerAll("new");
  const late = await lookLate(
    () => two.app.ask(),
    async () => {
      expect(textOf(await one.app.ask())).toBe("old");
      await one.log.settled(2);
    },
  );
  expect(textOf(late)).toBe("old");
  await afterRoundTrips(two.kit);
  expect(two.app.calls).toHaveLength(0);
  expect(textOf(await two.app.ask())).toBe("new");
});
