import { afterAll, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import type { Redis } from "ioredis";
import { rejection } from "../support/connections.ts";
import { ioredisAt, type NodeRedis, nodeRedisAt, openGiven } from "../support/given.ts";
import { type RedisServer, startRedis, until } from "../support/redis-server.ts";
import { count } from "../support/scripts.ts";
import { startProxy, type TcpProxy } from "../support/tcp-proxy.ts";

describe("what a client does after a loss with what had no answer", () => {
  let server: RedisServer;
  let proxy: TcpProxy;
  const proxies: TcpProxy[] = [];
  beforeAll(async () => {
    server = await startRedis({ tcp: true });
  });
  beforeEach(async () => {
    await server.client.flushall();
    proxy = await startProxy({ port: server.port });
    proxies.push(proxy);
  });
  afterAll(async () => {
    await Promise.all(proxies.map((one) => one.stop()));
    await server.stop();
  });

  /** Runs a script whose answer is lost with the connection; answers how often it ran in the end. */
  const runs = async (client: Redis | NodeRedis) => {
    const { connection } = openGiven(client, { deadline: 200 });
    await connection.ready();
    await connection.run(count, "other", []);
    proxy.holdAnswers();
    const lost = connection.run(count, "k", []).catch(() => "no answer");
    await until(async () => (await server.client.get("k")) === "1", "it has run");
    proxy.cut();
    proxy.release();
    await lost;
    await until(async () => (await connection.get("k").catch(() => null)) !== null, "it is back");
    return { times: Number(await connection.get("k")), ...connection.state() };
  };

  it("ioredis sends it again, by default", async () => {
    expect(await runs(ioredisAt(proxy.port))).toMatchObject({
      times: 2,
      unguaranteed: ["deadline", "at-most-once"],
    });
  });

  it.each([{ maxRetriesPerRequest: 0 }, { autoResendUnfulfilledCommands: false }])(
    "ioredis with %p does not",
    async (options) => {
      expect(await runs(ioredisAt(proxy.port, options))).toMatchObject({
        times: 1,
        unguaranteed: [],
      });
    },
  );

  it("node-redis does not", async () => {
    expect(await runs(await nodeRedisAt(proxy.port))).toMatchObject({
      times: 1,
      unguaranteed: [],
    });
  });

  /** Runs a script into a dead cable, which is then replaced; answers how often it ran in the end. */
  const lateRuns = async (client: Redis | NodeRedis) => {
    const { connection } = openGiven(client, { deadline: 150 });
    await connection.ready();
    await connection.run(count, "other", []);
    proxy.blackHole();
    expect((await rejection(connection.run(count, "k", []))).code).toBe("REDIS_TIMEOUT");
    proxy.cut();
    proxy.release();
    await until(async () => (await connection.get("k").catch(() => "no")) !== "no", "it is back");
    return Number(await connection.get("k"));
  };

  it("ioredis sends what has timed out, by default", async () => {
    expect(await lateRuns(ioredisAt(proxy.port))).toBe(1);
  });

  it("ioredis with maxRetriesPerRequest: 0 does not send it", async () => {
    expect(await lateRuns(ioredisAt(proxy.port, { maxRetriesPerRequest: 0 }))).toBe(0);
  });

  it("node-redis does not send it", async () => {
    expect(await lateRuns(await nodeRedisAt(proxy.port))).toBe(0);
  });

  it("node-redis does not send what it held back behind a full socket", async () => {
    const { connection } = openGiven(await nodeRedisAt(proxy.port), { deadline: 300 });
    await connection.ready();
    await connection.run(count, "other", []);
    proxy.blackHole();
    const value = Buffer.alloc(8_000_000);
    const filling = [1, 2, 3].map((n) => connection.set(`fill:${n}`, value, { ttl: 60_000 }));
    const behind = connection.run(count, "k", []);
    for (const work of [...filling, behind]) {
      expect((await rejection(work)).code).toBe("REDIS_TIMEOUT");
    }
    proxy.cut();
    proxy.release();
    await until(async () => (await connection.get("k").catch(() => "no")) !== "no", "it is back");
    expect(await connection.get("k")).toBeNull();
    expect(await server.client.exists("fill:3")).toBe(0);
  });
});
