/** One connection at the server, one at each master of a Cluster: after all that may happen, and none after the end. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { openWatched, type Watched } from "../support/connections.ts";
import { type Load, startLoad } from "../support/load.ts";
import { type RedisCluster, startCluster } from "../support/redis-cluster.ts";
import { type SentinelDeployment, startSentinel } from "../support/redis-sentinel.ts";
import { type RedisServer, startRedis, until } from "../support/redis-server.ts";
import { kitConnections } from "../support/server-group.ts";
import { startProxy, type TcpProxy } from "../support/tcp-proxy.ts";

/** A server that can be looked at. */
type Watching = Pick<RedisServer, "client">;

/** Waits until each server has as many of the kit's connections as it should, and says which has not. */
async function expectConnections(wanted: ReadonlyMap<Watching, number>): Promise<void> {
  let counts: number[] = [];
  await until(async () => {
    counts = await Promise.all([...wanted.keys()].map(kitConnections));
    return counts.join() === [...wanted.values()].join();
  }, "the connections are as many as they should be").catch(() =>
    expect(counts).toEqual([...wanted.values()]),
  );
}

const KILL = ["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"] as const;

/** Ends all of the kit's connections to a server at the same time, a few times over. */
async function killAll(servers: readonly Watching[], load: Load): Promise<void> {
  for (let round = 0; round < 5; round++) {
    await Promise.all(servers.map(({ client }) => client.call(...KILL)));
    await load.answered(2);
  }
}

describe("one server", () => {
  let server: RedisServer;
  let proxy: TcpProxy;
  let watched: Watched;
  beforeAll(async () => {
    server = await startRedis({ tcp: true });
  });
  beforeEach(async () => {
    proxy = await startProxy({ port: server.port });
    watched = openWatched({ redis: `redis://127.0.0.1:${proxy.port}` });
  });
  afterEach(async () => {
    await watched.connection.close();
    await expectConnections(new Map([[server, 0]]));
    await proxy.stop();
  });
  afterAll(() => server.stop());

  const expectOne = () => expectConnections(new Map([[server, 1]]));

  it("has one, however many commands are asked for before it is there", async () => {
    await Promise.all(Array.from({ length: 100 }, (_, n) => watched.connection.get(`k${n}`)));
    await expectOne();
    expect(proxy.accepted()).toBe(1);
  });

  it("has one after connections that were killed, cut and reset under load", async () => {
    const load = startLoad(watched.connection);
    await load.answered(2);
    await killAll([server], load);
    for (const how of ["end", "reset", "end", "reset"] as const) {
      proxy.cut(how);
      await load.answered(2);
    }
    await load.pause();
    await expectOne();
    expect(proxy.open()).toBe(1);
  });

  it("has one after a black hole, when the sockets of before come back too", async () => {
    const load = startLoad(watched.connection);
    await load.answered(2);
    proxy.blackHole();
    await load.failed(10);
    await until(() => proxy.accepted() > 1, "the kit tries again");
    proxy.release();
    await load.answered(2);
    await load.pause();
    await expectOne();
    await until(() => proxy.open() === 1, "the sockets of before are ended");
  });

  it("has one after scripts that it forgot, scans, and errors", async () => {
    const { connection } = watched;
    const load = startLoad(connection);
    await load.answered(2);
    await server.client.script("FLUSH");
    for await (const _ of connection.scan("load")) await load.answered(1);
    await Promise.all(
      Array.from({ length: 20 }, () => connection.scard("load").catch(() => undefined)),
    );
    await load.pause();
    await expectOne();
    expect(proxy.accepted()).toBe(1);
  });

  it("has none after a close() while the connection is being made", async () => {
    await watched.connection.close();
    await expectConnections(new Map([[server, 0]]));
  });

  it("has none after a close() while a lost connection is being made anew", async () => {
    await watched.connection.ready();
    proxy.cut();
    await until(() => watched.connection.state().state === "down", "the loss is seen");
    await watched.connection.close();
    await expectConnections(new Map([[server, 0]]));
    expect(proxy.open()).toBe(0);
  });
});

describe("a Cluster", () => {
  let cluster: RedisCluster;
  let watched: Watched;
  let load: Load;
  beforeAll(async () => {
    cluster = await startCluster();
  }, 30_000);
  beforeEach(async () => {
    watched = openWatched({ redis: cluster.url, deadline: 2000 });
    load = startLoad(watched.connection, { keys: ["a", "b", "c"] });
    await load.answered(2);
  });
  afterEach(async () => {
    await load.pause();
    await watched.connection.close();
    await expectConnections(new Map(cluster.nodes.map((node) => [node, 0])));
  });
  afterAll(() => cluster.stop());

  const expectOneEach = async (): Promise<void> => {
    await load.pause();
    const masters = new Set(await cluster.masters());
    expect(masters.size).toBe(3);
    await expectConnections(
      new Map(cluster.live().map((node) => [node, masters.has(node) ? 1 : 0])),
    );
  };

  it("has one at each master, and none at replicas", expectOneEach);

  it("has one at each master where only a replica was named", async () => {
    const replica = cluster.nodes.find(({ role }) => role === "replica")!;
    // A list of one would be one server.
    const url = `redis://127.0.0.1:${replica.port},127.0.0.1:${replica.port}`;
    const { connection } = openWatched({ redis: url });
    await connection.ready();
    await connection.ping();
    await load.pause();
    await watched.connection.close();
    await expectConnections(
      new Map(cluster.nodes.map((node) => [node, node.role === "master" ? 1 : 0])),
    );
    await connection.close();
  });

  it("has one at each master after all were killed under load", async () => {
    await killAll(cluster.nodes, load);
    await expectOneEach();
  });

  it("has one at each master after failovers to and fro", async () => {
    const first = await cluster.masterOf("a");
    for (let round = 0; round < 2; round++) {
      const old = await cluster.masterOf("a");
      const heir = await cluster.replicaOf(old);
      await heir.client.cluster("FAILOVER");
      await until(async () => (await cluster.masterOf("a")) === heir, "it took over");
      await cluster.waitForOk();
      await load.answered(2);
    }
    expect(await cluster.masterOf("a")).toBe(first);
    await expectOneEach();
    expect(load.codes()).toEqual([]);
  });
});

describe("Sentinel", () => {
  let deployment: SentinelDeployment;
  let watched: Watched;
  let load: Load;
  beforeAll(async () => {
    deployment = await startSentinel();
  }, 30_000);
  beforeEach(async () => {
    watched = openWatched({ redis: deployment.url });
    load = startLoad(watched.connection);
    await load.answered(2);
  });
  afterEach(async () => {
    await load.pause();
    await watched.connection.close();
    await expectConnections(new Map(everybody().map((node) => [node, 0])));
  });
  afterAll(() => deployment.stop());

  const everybody = () => [...deployment.nodes, ...deployment.sentinels];
  const expectOne = async (): Promise<void> => {
    const master = await deployment.master();
    await expectConnections(new Map(everybody().map((node) => [node, node === master ? 1 : 0])));
  };

  it("has one at the master, and none at a Sentinel or a replica", expectOne);

  it("has one at the master after it was killed under load", async () => {
    await killAll(deployment.nodes, load);
    await expectOne();
  });

  it("has one at the new master after failovers to and fro", async () => {
    for (let round = 0; round < 2; round++) {
      await deployment.failover();
      await deployment.waitForReplicas();
      await load.answered(2);
    }
    await expectOne();
  });
});
