import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { Redis as UpstashRedis } from "@upstash/redis";
import { Cluster, Redis } from "ioredis";
import { createClient, createCluster } from "redis";
import { declareSubset } from "../support/client-contract.ts";
import { gather, openGiven } from "../support/given.ts";
import { type RedisCluster, startCluster } from "../support/redis-cluster.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { type RestEmulator, startRestEmulator } from "../support/rest-emulator.ts";
import { count } from "../support/scripts.ts";

const endings: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0)) await end();
});

describe("through a client to one server", () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis({ tcp: true });
  });
  beforeEach(async () => {
    await server.client.flushall();
    await server.client.script("FLUSH");
  });
  afterAll(() => server.stop());

  const ioredis = (options: object = {}): Redis => {
    const client = new Redis({ port: server.port, host: "127.0.0.1", ...options });
    endings.push(() => client.disconnect());
    return client;
  };

  describe.each([
    ["as it is by default", {}],
    ["that speaks RESP2", { protocol: 2 }],
    ["with RESP3's own replies", { protocol: 3, replyMapping: "resp3" }],
    ["made lazily, without a queue", { lazyConnect: true, enableOfflineQueue: false }],
  ])("of ioredis, %s", (_name, options) => {
    declareSubset(() => openGiven(ioredis(options)).connection);
  });

  describe("of ioredis, on a unix socket", () => {
    declareSubset(() => openGiven(ioredis({ path: server.socketPath })).connection);
  });

  const nodeRedis = async (options: object = {}) => {
    const client = createClient({ url: server.url, ...options });
    client.on("error", () => {});
    await client.connect();
    endings.push(() => client.destroy());
    return client;
  };

  describe.each([
    ["as it is by default", {}],
    ["that speaks RESP2", { RESP: 2 }],
    [
      "with type mappings of its own",
      { RESP: 3, commandOptions: { typeMapping: { 36: Buffer, 58: String, 43: Buffer } } },
    ],
    ["without a queue", { disableOfflineQueue: true }],
  ])("of node-redis, %s", (_name, options) => {
    declareSubset(async () => openGiven(await nodeRedis(options)).connection);
  });

  describe("of node-redis, on a unix socket", () => {
    declareSubset(async () => {
      const client = await nodeRedis({ url: undefined, socket: { path: server.socketPath } });
      return openGiven(client).connection;
    });
  });

  describe("of @upstash/redis", () => {
    let rest: RestEmulator;
    beforeAll(async () => {
      rest = await startRestEmulator({ socketPath: server.socketPath });
    });
    afterAll(() => rest.stop());

    describe.each([
      ["as it is by default", {}],
      ["without automatic pipelines", { enableAutoPipelining: false }],
      ["that leaves replies alone", { automaticDeserialization: false }],
      ["without base64", { responseEncoding: false as const }],
    ])("%s", (_name, options) => {
      declareSubset(() => {
        const client = new UpstashRedis({ url: rest.url, token: "token", ...options });
        return openGiven(client).connection;
      });
    });

    it("sends scripts with the line that allows locks by key", async () => {
      const client = new UpstashRedis({ url: rest.url, token: "token" });
      const { connection } = openGiven(client);
      expect(await connection.run(count, "k", [])).toBe(1);
      expect(await connection.run(count, "k", [])).toBe(2);
      expect(rest.plainScripts).toEqual([]);
    });
  });
});

describe("through a client to a Cluster", () => {
  let cluster: RedisCluster;
  beforeAll(async () => {
    cluster = await startCluster({ masters: 3, replicas: 0 });
  }, 30_000);
  beforeEach(() => cluster.flush());
  afterAll(() => cluster.stop());

  const roots = () => cluster.nodes.map(({ port }) => ({ host: "127.0.0.1", port }));
  const ioredisCluster = (): Cluster => {
    const client = new Cluster(roots());
    endings.push(() => client.disconnect());
    return client;
  };
  const nodeRedisCluster = async () => {
    const client = createCluster({
      rootNodes: roots().map((socket) => ({ socket })),
    });
    client.on("error", () => {});
    await client.connect();
    endings.push(() => client.destroy());
    return client;
  };

  describe("of ioredis", () => {
    declareSubset(() => openGiven(ioredisCluster()).connection);
  });

  describe("of node-redis", () => {
    declareSubset(async () => openGiven(await nodeRedisCluster()).connection);
  });

  it.each([
    ["ioredis", ioredisCluster],
    ["node-redis", nodeRedisCluster],
  ])(
    "of %s: keys and scripts reach every node, and each master is a sender",
    async (_name, make) => {
      const { connection, channel } = openGiven(await make());
      const keys = Array.from({ length: 60 }, (_, n) => `n:${n}`);
      const counts = await Promise.all(keys.map((key) => connection.run(count, key, [])));
      expect(counts).toEqual(keys.map(() => 1));
      for (const { client } of cluster.nodes) await client.script("FLUSH");
      const again = await Promise.all(keys.map((key) => connection.run(count, key, [])));
      expect(again).toEqual(keys.map(() => 2));
      const sizes = await Promise.all(cluster.nodes.map(({ client }) => client.dbsize()));
      expect(sizes.every((size) => size > 0)).toBe(true);
      expect(await gather(connection, "n:")).toEqual(keys.toSorted());
      const masters = await channel.masters();
      const held = await Promise.all(masters.map((master) => master.send(["DBSIZE"])));
      expect(new Set(held)).toEqual(new Set(sizes));
      expect(held).toHaveLength(sizes.length);
    },
  );
});
