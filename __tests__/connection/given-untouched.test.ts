import type { EventEmitter } from "node:events";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import { expectTypeOf } from "expect-type";
import { Redis as UpstashRedis } from "@upstash/redis";
import { Cluster, Redis } from "ioredis";
import { createClient, createCluster } from "redis";
import type { KitOptions } from "express-redis-kit";
import { checkHealth } from "../../src/observe/health.ts";
import { gather, openGiven } from "../support/given.ts";
import { createLog, makeKit, serve } from "../support/kit.ts";
import { type RedisCluster, startCluster } from "../support/redis-cluster.ts";
import { type RedisServer, startRedis, until } from "../support/redis-server.ts";
import { type RestEmulator, startRestEmulator } from "../support/rest-emulator.ts";
import { addMember } from "../support/scripts.ts";

const ttl = 60_000;
const endings: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0)) await end();
});

let server: RedisServer;
let cluster: RedisCluster;
let rest: RestEmulator;
beforeAll(async () => {
  server = await startRedis({ tcp: true });
  cluster = await startCluster({ masters: 3, replicas: 0 });
  rest = await startRestEmulator({ socketPath: server.socketPath });
}, 40_000);
afterAll(async () => {
  await rest.stop();
  await cluster.stop();
  await server.stop();
});

const roots = () => cluster.nodes.map(({ port }) => ({ host: "127.0.0.1", port }));

/** Each client, with what is read of its options. */
const CLIENTS = {
  ioredis: async () => {
    const client = new Redis({ port: server.port });
    await client.ping();
    endings.push(() => client.disconnect());
    return { client, options: () => client.options };
  },
  "ioredis's Cluster": async () => {
    const client = new Cluster(roots());
    await client.ping();
    endings.push(() => client.disconnect());
    return { client, options: () => client.options };
  },
  "node-redis": async () => {
    const client = await createClient({ url: server.url }).connect();
    endings.push(() => client.destroy());
    return { client, options: () => client.options };
  },
  "node-redis's cluster": async () => {
    const client = createCluster({ rootNodes: roots().map((socket) => ({ socket })) });
    await client.connect();
    endings.push(() => client.destroy());
    return { client, options: () => Reflect.get(client, "_options") as object };
  },
  "@upstash/redis": async () => {
    const client = new UpstashRedis({ url: rest.url, token: "token" });
    return { client, options: () => (client as unknown as { opts: object }).opts };
  },
};

function listeners(client: object): object {
  if (!("eventNames" in client) || typeof client.eventNames !== "function") return {};
  const emitter = client as EventEmitter;
  return Object.fromEntries(
    emitter.eventNames().map((name) => [String(name), emitter.listenerCount(name)]),
  );
}

describe("a client that was given to a kit", () => {
  it.each(Object.entries(CLIENTS))(
    "of %s is the same after the kit's close, and open",
    async (_name, make) => {
      const { client, options } = await make();
      const before = { listeners: listeners(client), options: { ...options() } };
      const members = Object.keys(client);
      const { connection } = openGiven(client);
      await connection.ready();
      await connection.set("k", "1", { ttl });
      await connection.getBytes("k");
      await connection.run(addMember, "set", ["a", ttl]);
      await gather(connection, "k");
      expect(listeners(client)).toEqual(before.listeners);
      await connection.close();
      expect(listeners(client)).toEqual(before.listeners);
      expect({ ...options() }).toEqual(before.options);
      expect(Object.keys(client)).toEqual(members);
      expect(await client.get("k")).toEqual(client instanceof UpstashRedis ? 1 : "1");
    },
  );

  it("health() names what is not promised, and only then", async () => {
    const { client } = await CLIENTS.ioredis();
    expect(await checkHealth(openGiven(client).connection)).toEqual({
      status: "ok",
      connection: "tcp",
      tls: false,
      latency: expect.any(Number),
      unguaranteed: ["deadline", "at-most-once"],
    });
    const proven = new Redis({ port: server.port, maxRetriesPerRequest: 0 });
    endings.push(() => proven.disconnect());
    const health = await checkHealth(openGiven(proven).connection);
    expect(health).not.toHaveProperty("unguaranteed");
    await client.quit();
    const { connection } = openGiven(client);
    await connection.close();
    expect(await checkHealth(connection)).toEqual({
      status: "down",
      connection: "tcp",
      tls: false,
      unguaranteed: ["deadline", "at-most-once"],
      problem: "KIT_CLOSED",
    });
  });

  it.each([
    [{ maxRetriesPerRequest: 0 }, []],
    [{ autoResendUnfulfilledCommands: false }, []],
    [{ enableOfflineQueue: false }, ["deadline", "at-most-once"]],
    [{ maxRetriesPerRequest: 1 }, ["deadline", "at-most-once"]],
    [{ maxRetriesPerRequest: null }, ["deadline", "at-most-once"]],
    [{ maxRetriesPerRequest: 0, reconnectOnError: () => 2 }, ["deadline", "at-most-once"]],
  ])("of ioredis with %p leaves out %p", async (options, unguaranteed) => {
    const client = new Redis({ port: server.port, lazyConnect: true, ...(options as object) });
    expect(openGiven(client).connection.state().unguaranteed).toEqual(unguaranteed);
  });

  it.each([
    [{}, ["deadline", "at-most-once"]],
    [{ retryDelayOnFailover: 0 }, ["deadline"]],
    [{ maxRedirections: 0 }, []],
    [
      { maxRedirections: 0, clusterNodeRetryStrategy: (): number => 10 },
      ["deadline", "at-most-once"],
    ],
    [
      {
        retryDelayOnFailover: 0,
        clusterNodeRetryStrategy: (): number => 10,
        redisOptions: { maxRetriesPerRequest: 0 },
      },
      ["deadline"],
    ],
    [
      { retryDelayOnFailover: 0, redisOptions: { reconnectOnError: () => 2 } },
      ["deadline", "at-most-once"],
    ],
  ])("of ioredis's Cluster with %p leaves out %p", (options, unguaranteed) => {
    const client = new Cluster(roots(), { lazyConnect: true, ...options });
    expect(openGiven(client).connection.state().unguaranteed).toEqual(unguaranteed);
  });

  it("serves a kit, which ends without it", async () => {
    const { client } = await CLIENTS["node-redis"]();
    const kit = makeKit({ redis: client, namespace: "given" }, { NODE_ENV: "production" });
    await kit.ready();
    const limit = kit.rateLimit("given");
    const url = await serve((req, res) => limit(req, res, () => void res.end("served")));
    expect(await (await fetch(url)).text()).toBe("served");
    expect(await server.client.keys("given:ratelimit:given:*")).toHaveLength(1);
    expect(await kit.health()).toMatchObject({ status: "ok", connection: "tcp" });
    await kit.close();
    expect(await client.ping()).toBe("PONG");
  });

  it("may be connected after the kit was made, in development too", async () => {
    const client = createClient({ url: server.url });
    const kit = makeKit({ redis: client }, { NODE_ENV: "development" });
    await client.connect();
    endings.push(() => client.destroy());
    await kit.ready();
    expect(await kit.health()).toMatchObject({ status: "ok", connection: "tcp" });
  });

  it("is replaced by memory in development, where it is never connected", async () => {
    const log = createLog();
    const client = createClient({ url: server.url });
    const kit = makeKit(
      { redis: client, connectDeadline: 50, logger: log },
      { NODE_ENV: "development" },
    );
    await kit.ready();
    expect(await kit.health()).toMatchObject({ status: "memory" });
    await until(() => log.lines.some((line) => line.includes("goes on in memory")), "a warning");
    expect(client.isOpen).toBe(false);
  });

  it("has the type that the option takes", () => {
    type Option = NonNullable<KitOptions["redis"]>;
    expectTypeOf<Redis>().toExtend<Option>();
    expectTypeOf<Cluster>().toExtend<Option>();
    expectTypeOf<UpstashRedis>().toExtend<Option>();
    expectTypeOf<ReturnType<typeof createClient>>().toExtend<Option>();
    const [client, pairs] = [createClient(), createClient({ RESP: 2 })];
    expectTypeOf(client).toExtend<Option>();
    expectTypeOf(pairs).toExtend<Option>();
    expectTypeOf<ReturnType<typeof createCluster>>().toExtend<Option>();
    expectTypeOf<Map<string, string>>().not.toExtend<Option>();
    expectTypeOf<number>().not.toExtend<Option>();
  });
});
