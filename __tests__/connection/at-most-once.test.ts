import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { defineScript } from "../../src/connection/script.ts";
import type { Connection } from "../../src/connection/port.ts";
import { openWatched, rejection } from "../support/connections.ts";
import { type RedisServer, startRedis, until } from "../support/redis-server.ts";
import { startProxy, type TcpProxy } from "../support/tcp-proxy.ts";

/** Counts how often it ran; what a retry would count twice. */
const count = defineScript<number>({
  name: "count",
  lua: `local n = redis.call('INCR', KEYS[1]) redis.call('PEXPIRE', KEYS[1], ARGV[1]) return n`,
  run: (database, key, [ttl]) => {
    const next = Number(database.get(key) ?? 0) + 1;
    database.set(key, String(next), Number(ttl));
    return next;
  },
  parse: Number,
});

let server: RedisServer;
let proxy: TcpProxy;
let connection: Connection;
beforeAll(async () => {
  server = await startRedis({ tcp: true });
});
beforeEach(async () => {
  await server.client.flushall();
  proxy = await startProxy({ port: server.port });
  // A deadline that only a hang would reach: here the socket ends a command, not the clock.
  connection = openWatched({ redis: `redis://127.0.0.1:${proxy.port}`, deadline: 5000 }).connection;
  await connection.ready();
});
afterEach(() => proxy.stop());
afterAll(() => server.stop());

const ran = async (key: string): Promise<number> => Number((await server.client.get(key)) ?? 0);
const run = (key: string) => connection.run(count, key, [60_000]);

/** Waits for an answer over a new socket: all that was sent before it has run by then. */
const back = (of: Connection = connection): Promise<void> =>
  until(
    () =>
      of.ping().then(
        () => true,
        () => false,
      ),
    "the connection is back",
  );

describe("a command whose socket is cut before its answer came", () => {
  it("holds neither key nor argument in its error", async () => {
    proxy.holdAnswers();
    const failure = rejection(connection.set("secretKey", "secretValue", { ttl: 60_000 }));
    await until(async () => (await server.client.exists("secretKey")) === 1, "it has run");
    proxy.cut();
    const error = await failure;
    expect(`${error.stack} ${String(error.cause)}`).not.toMatch(/secretKey|secretValue/);
  });
});

describe("a storm of cut sockets", () => {
  it("runs nothing twice: what was answered ran once, what was lost at most once", async () => {
    const outcomes = new Map<string, string>();
    for (let round = 0; round < 8; round++) {
      const work = Array.from({ length: 25 }, async (_, index) => {
        const key = `storm${round}-${index}`;
        try {
          outcomes.set(key, `answered ${await run(key)}`);
        } catch (error) {
          outcomes.set(key, (error as { outcome: string }).outcome);
        }
      });
      if (round % 2 === 0) await new Promise((resolve) => setImmediate(resolve));
      proxy.cut(round % 3 === 0 ? "reset" : "end");
      await Promise.all(work);
      await back();
    }
    expect(outcomes.size).toBe(200);
    const allowed: Record<string, number[]> = {
      notSent: [0],
      maybeExecuted: [0, 1],
      "answered 1": [1],
    };
    for (const [key, outcome] of outcomes) {
      expect([key, outcome, allowed[outcome]]).toEqual([
        key,
        outcome,
        expect.arrayContaining([await ran(key)]),
      ]);
    }
  });
});

describe("a command that timed out", () => {
  it("is not sent again when its answer is lost with the socket", async () => {
    const { connection: hasty } = openWatched({
      redis: `redis://127.0.0.1:${proxy.port}`,
      deadline: 200,
    });
    await hasty.ready();
    await hasty.run(count, "warm", [60_000]);
    proxy.holdAnswers();
    const error = await rejection(hasty.run(count, "late", [60_000]));
    expect(error).toMatchObject({ code: "REDIS_TIMEOUT", outcome: "maybeExecuted" });
    proxy.cut();
    proxy.release();
    await back(hasty);
    expect(await ran("late")).toBe(1);
  });
});
