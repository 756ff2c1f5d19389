import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { Cluster } from "ioredis";
import { createClient } from "redis";
import { ioredisAt, nodeRedisAt, openGiven } from "../support/given.ts";
import { rejection } from "../support/connections.ts";
import { type RedisCluster, startCluster } from "../support/redis-cluster.ts";
import { type RedisServer, startRedis, until } from "../support/redis-server.ts";
import { count } from "../support/scripts.ts";
import { startProxy, type TcpProxy } from "../support/tcp-proxy.ts";

const ttl = 60_000;
const endings: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).toReversed()) await end();
});

describe("a client that loses its server", () => {
  let server: RedisServer;
  let proxy: TcpProxy;
  beforeAll(async () => {
    server = await startRedis({ tcp: true });
  });
  beforeEach(async () => {
    await server.client.flushall();
    proxy = await startProxy({ port: server.port });
    endings.push(() => proxy.stop());
  });
  afterAll(() => server.stop());

  const clients = [
    ["ioredis", (options?: object) => ioredisAt(proxy.port, options)],
    ["node-redis", (_options?: object) => nodeRedisAt(proxy.port)],
  ] as const;

  describe.each(clients)("of %s", (library, make) => {
    it("answers each command of a frozen server in time, then at once, and heals", async () => {
      const { connection, states, errors } = openGiven(await make(), { deadline: 150 });
      await connection.ready();
      server.kill("SIGSTOP");
      endings.push(() => server.kill("SIGCONT"));
      for (let n = 0; n < 5; n += 1) {
        expect(await rejection(connection.get("k"))).toMatchObject({
          code: "REDIS_TIMEOUT",
          outcome: "maybeExecuted",
        });
      }
      const refused = await rejection(connection.get("k"));
      expect(refused).toMatchObject({ code: "REDIS_UNAVAILABLE", outcome: "notSent" });
      expect(refused.message).toContain(`${library} client for`);
      expect(connection.state()).toMatchObject({ state: "down", problem: refused });
      server.kill("SIGCONT");
      await until(() => connection.state().state === "ready", "a probe was answered");
      expect(await connection.get("k")).toBeNull();
      expect(states.map(({ state }) => state)).toEqual(["ready", "down", "ready"]);
      expect(errors.map(({ code }) => code)).toEqual(["REDIS_UNAVAILABLE"]);
    });

    it("lets a command wait for a lost connection, as long as the deadline allows", async () => {
      const client = await make();
      const { connection } = openGiven(client, { deadline: "5s" });
      await connection.ready();
      const seen = new Promise((resolve) => void client.once("reconnecting", resolve));
      proxy.cut();
      await seen;
      expect(await connection.set("k", "1", { ttl })).toBe(true);
      expect(await connection.get("k")).toBe("1");
    });

    it("says of a command that was under way that it may have run, and does not open for it", async () => {
      const { connection } = openGiven(await make({ maxRetriesPerRequest: 0 }), {
        deadline: "5s",
      });
      await connection.run(count, "other", []);
      proxy.holdAnswers();
      const runs = Array.from({ length: 10 }, () => connection.run(count, "k", []));
      await until(async () => (await server.client.get("k")) === "10", "all have run");
      proxy.cut();
      proxy.release();
      for (const run of runs) {
        expect(await rejection(run)).toMatchObject({
          code: "REDIS_UNAVAILABLE",
          outcome: "maybeExecuted",
        });
      }
      expect(await connection.get("k")).toBe("10");
    });

    it("ends what waits when the server is gone, as not sent, and heals when it is back", async () => {
      const { connection } = openGiven(await make(), { deadline: 100 });
      await connection.ready();
      await proxy.stop();
      await until(async () => {
        const { code, outcome } = await rejection(connection.get("k"));
        return code === "REDIS_UNAVAILABLE" && outcome === "notSent";
      }, "the loss was seen");
      const errors = await Promise.all(
        Array.from({ length: 6 }, () => rejection(connection.set("k", "1", { ttl }))),
      );
      expect(new Set(errors.map(({ outcome }) => outcome))).toEqual(new Set(["notSent"]));
      expect(connection.state().state).toBe("down");
      expect(await server.client.get("k")).toBeNull();
    });

    it("lets the second half of a step through while it closes", async () => {
      await server.client.script("FLUSH");
      const { connection } = openGiven(await make());
      await connection.ready();
      const running = connection.run(count, "k", []);
      await connection.close();
      expect(await running).toBe(1);
    });
  });

  it("counts a timeout of the client's own as one", async () => {
    const client = ioredisAt(proxy.port, { commandTimeout: 300 });
    const { connection } = openGiven(client, { deadline: "5s" });
    await connection.ready();
    proxy.holdAnswers();
    expect(await rejection(connection.get("k"))).toMatchObject({
      code: "REDIS_TIMEOUT",
      outcome: "maybeExecuted",
    });
    proxy.release();
  });

  it("of ioredis, closed by the application, sends nothing and says so", async () => {
    const client = ioredisAt(server.port);
    const { connection } = openGiven(client);
    await connection.ready();
    await client.quit();
    await until(() => client.status === "end", "the client has ended");
    const error = await rejection(connection.get("k"));
    expect(error).toMatchObject({ code: "REDIS_UNAVAILABLE", outcome: "notSent" });
    expect(error.message).toMatch(/closed/);
  });

  it("of ioredis, subscribed over RESP2, names the way out", async () => {
    const client = ioredisAt(server.port, { protocol: 2 });
    const { connection } = openGiven(client);
    await connection.ready();
    await client.subscribe("channel");
    const error = await rejection(connection.get("k"));
    expect(error).toMatchObject({ code: "REDIS_UNAVAILABLE", outcome: "notSent" });
    expect(error.fix).toContain("client.duplicate()");
  });

  describe("of node-redis, never connected", () => {
    it("fails at once, and says what to call", async () => {
      const client = createClient({ url: server.url });
      const { connection } = openGiven(client);
      const error = await rejection(connection.get("k"));
      expect(error).toMatchObject({ code: "REDIS_UNAVAILABLE", outcome: "notSent" });
      expect(error.fix).toContain("await client.connect()");
      expect(client.isOpen).toBe(false);
    });

    it("is ready once the application has connected it", async () => {
      const client = createClient({ url: server.url });
      endings.push(() => client.destroy());
      const { connection } = openGiven(client);
      const ready = connection.ready();
      await client.connect();
      await ready;
      expect(await connection.get("k")).toBeNull();
    });

    it("is not ready when the connect deadline is over", async () => {
      const client = createClient({ url: server.url });
      const { connection } = openGiven(client, { connectDeadline: 50 });
      expect((await rejection(connection.ready())).fix).toContain("await client.connect()");
    });
  });
});

describe("an ioredis Cluster", () => {
  let cluster: RedisCluster;
  beforeAll(async () => {
    cluster = await startCluster({ masters: 3, replicas: 1 });
  }, 30_000);
  afterAll(() => cluster.stop());

  it("answers in time for a frozen node, serves the others, and heals", async () => {
    const client = new Cluster(cluster.nodes.map(({ port }) => ({ host: "127.0.0.1", port })));
    endings.push(() => client.disconnect());
    const { connection } = openGiven(client, { deadline: 250 });
    await connection.ready();
    const keys = Array.from({ length: 30 }, (_, n) => `n:${n}`);
    for (const key of keys) {
      // The first command to a node may have to wait for its connection.
      await until(() => connection.set(key, "1", { ttl }).catch(() => false), "it was written");
    }
    const frozen = await cluster.masterOf("n:0");
    const others = [];
    for (const key of keys) if ((await cluster.masterOf(key)) !== frozen) others.push(key);
    await cluster.kill(frozen, "SIGSTOP");
    endings.push(() => cluster.kill(frozen, "SIGCONT"));
    expect((await rejection(connection.get("n:0"))).code).toBe("REDIS_TIMEOUT");
    for (const key of others) expect(await connection.get(key)).toBe("1");
    await cluster.kill(frozen, "SIGCONT");
    await until(async () => (await connection.get("n:0").catch(() => null)) === "1", "it is back");
  });
});
