import { afterAll, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { defineScript } from "../../src/connection/script.ts";
import { openWatched, rejection } from "../support/connections.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { count } from "../support/scripts.ts";

const broken = defineScript<number>({
  name: "broken",
  lua: "redis.call('INCR', KEYS[1]) return redis.error_reply('ERR broken on purpose')",
  run: () => 0,
  parse: Number,
});

describe("what reaches redis-server", () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis();
  });
  beforeEach(async () => {
    await server.client.flushall();
    await server.client.script("FLUSH");
    await server.client.config("RESETSTAT");
  });
  afterAll(() => server.stop());

  /** How often a command was called, by the server's own count. */
  const calls = async (command: string): Promise<number> => {
    const stats = await server.client.info("commandstats");
    return Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(stats)?.[1] ?? 0);
  };

  it("is EVALSHA first, and EVAL only where the server does not know the script", async () => {
    const { connection } = openWatched({ redis: server.url });
    for (const n of [1, 2, 3]) expect(await connection.run(count, "n", [])).toBe(n);
    expect(await calls("evalsha")).toBe(3);
    expect(await calls("eval")).toBe(1);
    await server.client.script("FLUSH");
    for (const n of [4, 5]) expect(await connection.run(count, "n", [])).toBe(n);
    expect(await calls("evalsha")).toBe(5);
    expect(await calls("eval")).toBe(2);
    expect(await calls("script\\|load")).toBe(0);
  });

  it("is never EVAL after another error, for the script may have run", async () => {
    const { connection } = openWatched({ redis: server.url });
    await rejection(connection.run(broken, "n", []));
    const error = await rejection(connection.run(broken, "n", []));
    expect(error).toMatchObject({ code: "REDIS_COMMAND_FAILED", outcome: "maybeExecuted" });
    expect(error.message).toContain("broken on purpose");
    expect(await calls("eval")).toBe(1);
    expect(await server.client.get("n")).toBe("2");
  });

  it("is a SET with its time to live in one command, so that no key stays for ever", async () => {
    const { connection } = openWatched({ redis: server.url });
    await connection.set("k", "1", { ttl: 5000 });
    expect(await server.client.pttl("k")).toBeGreaterThan(0);
    expect((await calls("expire")) + (await calls("pexpire"))).toBe(0);
  });

  it("is never KEYS, nor one SCAN that blocks for the whole database", async () => {
    const { connection } = openWatched({ redis: server.url });
    const names = Array.from({ length: 1000 }, (_, n) =>
      connection.set(`s:${n}`, "", { ttl: 9e6 }),
    );
    await Promise.all(names);
    for await (const batch of connection.scan("s:")) expect(batch.length).toBeLessThan(1000);
    expect(await calls("keys")).toBe(0);
    expect(await calls("scan")).toBeGreaterThan(1);
  });

  it("is one MGET for many values, and no GET", async () => {
    const { connection } = openWatched({ redis: server.url });
    await connection.mgetBytes(Array.from({ length: 30 }, (_, n) => `key:${n}`));
    expect(await calls("mget")).toBe(1);
    expect(await calls("get")).toBe(0);
  });

  it("is the database that the URL names", async () => {
    const { connection } = openWatched({ redis: `${server.url}?db=3` });
    await connection.set("k", "1", { ttl: 5000 });
    expect(await server.client.exists("k")).toBe(0);
    expect(await server.client.info("keyspace")).toMatch(/db3:keys=1/);
  });
});

describe("a closed connection", () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server.stop());

  it("rejects everything with KIT_CLOSED, certain that nothing was sent", async () => {
    const { connection } = openWatched({ redis: server.url });
    await connection.ready();
    await connection.close();
    const calls = [
      connection.get("k"),
      connection.getBytes("k"),
      connection.mgetBytes(["k", "l"]),
      connection.set("k", "1", { ttl: 1000 }),
      connection.del("k"),
      connection.pexpire("k", 1),
      connection.pttl("k"),
      connection.smembers("k"),
      connection.sismember("k", "a"),
      connection.scard("k"),
      connection.srem("k", "a"),
      connection.run(count, "k", []),
      connection.ping(),
      connection.ready(),
      connection.scan("k")[Symbol.asyncIterator]().next(),
    ];
    for (const error of await Promise.all(calls.map(rejection))) {
      expect(error).toMatchObject({ code: "KIT_CLOSED", outcome: "notSent", status: 503 });
    }
  });

  it("rejects with KIT_CLOSED what is asked for while it closes", async () => {
    const { connection } = openWatched({ redis: server.url });
    await connection.ready();
    const closing = connection.close();
    expect((await rejection(connection.get("k"))).code).toBe("KIT_CLOSED");
    await closing;
  });

  it("lets the answers of commands under way come first", async () => {
    const { connection } = openWatched({ redis: server.url });
    await connection.ready();
    await connection.run(count, "under-way", []);
    const underWay = Array.from({ length: 100 }, () => connection.run(count, "under-way", []));
    const [answers] = await Promise.all([Promise.allSettled(underWay), connection.close()]);
    expect(answers.at(-1)).toEqual({ status: "fulfilled", value: 101 });
  });

  it("lets the answer of a script come first that the server has yet to learn", async () => {
    await server.client.script("FLUSH");
    const { connection } = openWatched({ redis: server.url });
    await connection.ready();
    const underWay = connection.run(count, "unknown", []);
    const [answers] = await Promise.all([Promise.allSettled([underWay]), connection.close()]);
    expect(answers).toEqual([{ status: "fulfilled", value: 1 }]);
  });

  it("rejects with KIT_CLOSED what waited for the connection", async () => {
    const { connection } = openWatched({ redis: server.url });
    const waiting = rejection(connection.get("k"));
    await connection.close();
    expect((await waiting).code).toBe("KIT_CLOSED");
  });

  it("rejects with KIT_CLOSED in development too, where it was closed before it was ready", async () => {
    const { connection, fallbacks } = openWatched(
      { redis: server.url },
      { NODE_ENV: "development" },
    );
    await connection.close();
    expect((await rejection(connection.get("k"))).code).toBe("KIT_CLOSED");
    expect(fallbacks).toEqual([]);
  });

  it("leaves no client behind on the server", async () => {
    const { connection } = openWatched({ redis: server.url });
    await connection.close();
    const again = openWatched({ redis: server.url }).connection;
    await again.ready();
    await again.close();
    const clients = String(await server.client.client("LIST"));
    expect(clients).not.toContain("express-redis-kit");
  });
});
