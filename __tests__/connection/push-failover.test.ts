/** Messages while a deployment changes: behind Sentinels, and on a Cluster that loses the node which is listened to. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import type { Connection } from "../../src/connection/port.ts";
import { openWatched, rejection } from "../support/connections.ts";
import { listen, listenersAt, type Listening } from "../support/listening.ts";
import { type ClusterNode, type RedisCluster, startCluster } from "../support/redis-cluster.ts";
import { type SentinelDeployment, startSentinel } from "../support/redis-sentinel.ts";
import { until } from "../support/redis-server.ts";
import { kitConnections, type Member } from "../support/server-group.ts";

/** Publishes by the kit until it is heard: a bus or a replica may still be on its way. */
async function hears(listening: Listening, from: Connection, text: string): Promise<void> {
  await until(async () => {
    await from.push!.publish("news", text).catch(() => {});
    return listening.messages().includes(text);
  }, `it is heard: ${text}`);
}

/** Who of them has connections that listen. */
async function carriersOf<M extends Member>(members: readonly M[], channel?: string): Promise<M[]> {
  const counts = await Promise.all(members.map((member) => listenersAt(member, channel)));
  return members.filter((_, index) => counts[index]! > 0);
}

describe("behind Sentinels", () => {
  let deployment: SentinelDeployment;
  beforeAll(async () => {
    deployment = await startSentinel();
  }, 30_000);
  afterAll(() => deployment.stop());

  const live = () => deployment.nodes.filter((node) => deployment.isLive(node));

  it("who listens is told of a failover, and hears from the new master, on one socket", async () => {
    const { connection } = openWatched({ redis: deployment.url });
    const listening = listen(connection);
    await until(listening.isSubscribed, "it is subscribed");
    await hears(listening, connection, "before");
    const master = await deployment.failover();
    await until(() => listening.count("interrupted") > 0, "it is told");
    await until(listening.isSubscribed, "it is subscribed again");
    await hears(listening, connection, "after");
    await until(async () => (await carriersOf(live())).includes(master), "the new master has it");
    expect(await carriersOf(live())).toEqual([master]);
    expect(await Promise.all(live().map(kitConnections))).toEqual(
      live().map((node) => (node === master ? 1 : 0)),
    );
    await deployment.waitForReplicas();
  });

  it("who listens is told that the master was killed, and hears from its successor", async () => {
    const { connection } = openWatched({ redis: deployment.url });
    const listening = listen(connection);
    await until(listening.isSubscribed, "it is subscribed");
    const lost = await deployment.master();
    await deployment.kill(lost, "SIGKILL");
    await until(() => listening.count("interrupted") === 1, "it is told");
    const master = await deployment.promoted(lost);
    await until(listening.isSubscribed, "it is subscribed again");
    await hears(listening, connection, "after");
    expect(await carriersOf(live())).toEqual([master]);
    await deployment.restart(lost);
    await deployment.waitForReplicas();
  });
});

describe("on a Cluster", () => {
  let cluster: RedisCluster;
  beforeAll(async () => {
    cluster = await startCluster();
  }, 30_000);
  beforeEach(() => cluster.waitForOk());
  afterAll(() => cluster.stop());

  const carriers = (): Promise<ClusterNode[]> => carriersOf(cluster.live());

  async function listening(): Promise<{ connection: Connection; heard: Listening }> {
    const { connection } = openWatched({ redis: cluster.url });
    const heard = listen(connection);
    await until(heard.isSubscribed, "it is subscribed");
    return { connection, heard };
  }

  async function expectOneConnectionEach(): Promise<void> {
    const masters = new Set(await cluster.masters());
    const wanted = cluster.live().map((node) => (masters.has(node) ? 1 : 0));
    let counts: number[] = [];
    await until(async () => {
      counts = await Promise.all(cluster.live().map(kitConnections));
      return counts.join() === wanted.join();
    }, "one connection to each master").catch(() => expect(counts).toEqual(wanted));
  }

  it("one node is listened to, over the connection that it has anyway", async () => {
    const { connection, heard } = await listening();
    const more = listen(connection, "else");
    await until(more.isSubscribed, "it is subscribed");
    expect(await carriers()).toHaveLength(1);
    expect(await carriersOf(cluster.live(), "else")).toEqual(await carriers());
    // Whatever node takes it.
    for (const [index, { client }] of cluster.nodes.entries()) {
      await client.publish("news", String(index));
      await until(() => heard.messages().length === index + 1, "it is heard");
    }
    expect(heard.messages()).toEqual(cluster.nodes.map((_, index) => String(index)));
    await expectOneConnectionEach();
  });

  it("1000 of two kits arrive in the order of each, and none twice", async () => {
    const { heard } = await listening();
    const kits = [1, 2].map(() => openWatched({ redis: cluster.url }).connection);
    await Promise.all(
      kits.map(async (kit, index) => {
        for (let batch = 0; batch < 20; batch++) {
          const texts = Array.from({ length: 25 }, (_, n) => `${index}:${batch * 25 + n}`);
          await Promise.all(texts.map((text) => kit.push!.publish("news", text)));
        }
      }),
    );
    await until(() => heard.messages().length >= 1000, "all have come");
    for (const index of [0, 1]) {
      const mine = heard.messages().filter((text) => text.startsWith(`${index}:`));
      expect(mine).toEqual(Array.from({ length: 500 }, (_, n) => `${index}:${n}`));
    }
    expect(heard.told).toHaveLength(1001);
  });

  it("the first of many kits arrive in order too, though their connections are being made", async () => {
    const { heard } = await listening();
    const texts = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
    const kits = Array.from({ length: 20 }, () => openWatched({ redis: cluster.url }).connection);
    await Promise.all(
      kits.flatMap((kit, index) => texts.map((text) => kit.push!.publish("news", index + text))),
    );
    await until(() => heard.messages().length >= 200, "all have come");
    for (const index of kits.keys()) {
      const mine = heard.messages().filter((text) => text.slice(0, -1) === String(index));
      expect(mine).toEqual(texts.map((text) => index + text));
    }
  });

  it("a node whose connection is killed is followed by another, or by itself", async () => {
    const { connection, heard } = await listening();
    for (let round = 1; round <= 5; round++) {
      const [carrier] = await carriers();
      await carrier!.client.call("CLIENT", "KILL", "TYPE", "pubsub");
      await until(() => heard.count("interrupted") === round, "it is told");
      await until(heard.isSubscribed, "it is subscribed again");
      await hears(heard, connection, `round ${round}`);
    }
    await until(async () => (await carriers()).length === 1, "one node is listened to");
    await expectOneConnectionEach();
  });

  it("a node that is killed is left for another at once", async () => {
    const { connection, heard } = await listening();
    const [lost] = await carriers();
    await cluster.kill(lost!, "SIGKILL");
    await until(() => heard.count("interrupted") === 1, "it is told");
    await until(heard.isSubscribed, "it is subscribed again");
    // Before its replica takes over.
    expect((await carriers()).every((node) => node !== lost)).toBe(true);
    await hears(heard, connection, "after");
    await cluster.waitForOk();
    expect(await carriers()).toHaveLength(1);
    await expectOneConnectionEach();
    await cluster.restart(lost!);
  });

  it("a node that is lost keeps nobody from publishing", async () => {
    const { connection, heard } = await listening();
    // That all messages of this channel go through.
    const lost = await cluster.masterOf("news");
    const key = await keyAt(lost);
    await cluster.kill(lost, "SIGKILL");
    await rejection(connection.get(key));
    // Before its replica takes over.
    await connection.push!.publish("news", "meanwhile");
    await until(heard.isSubscribed, "it is subscribed");
    await cluster.waitForOk();
    await hears(heard, connection, "after");
    await cluster.restart(lost);
  });

  it("a node that freezes is left for another once a command has waited for it", async () => {
    const { connection, heard } = await listening();
    const [frozen] = await carriers();
    const key = await keyAt(frozen!);
    await cluster.kill(frozen!, "SIGSTOP");
    await rejection(connection.get(key));
    await until(() => heard.count("interrupted") === 1, "it is told");
    await until(heard.isSubscribed, "it is subscribed again");
    await hears(heard, connection, "after");
    await cluster.kill(frozen!, "SIGCONT");
    await cluster.waitForOk();
    await until(async () => (await carriers()).length === 1, "the thawed one is not listened to");
    expect(await carriers()).not.toContain(frozen);
  });

  it("a master that becomes a replica is left for a master", async () => {
    const { connection, heard } = await listening();
    const [old] = await carriers();
    const heir = await cluster.replicaOf(old!);
    await heir.client.cluster("FAILOVER");
    await until(async () => (await cluster.masters()).includes(heir), "it took over");
    const key = await keyAt(heir);
    await until(async () => {
      await connection.get(key);
      return heard.count("interrupted") === 1 && heard.isSubscribed();
    }, "the kit knows of it");
    await hears(heard, connection, "after");
    expect(await carriers()).not.toContain(old);
    await expectOneConnectionEach();
  });

  it("nodes that go idle are listened to again with the next command", async () => {
    const { connection } = openWatched({ redis: cluster.url, idleTimeout: 50 });
    const heard = listen(connection);
    await until(() => heard.count("subscribed") > 0, "it is subscribed");
    const idle = async (): Promise<boolean> => {
      const counts = await Promise.all(cluster.live().map(kitConnections));
      return counts.every((count) => count === 0);
    };
    for (let round = 0; round < 3; round++) {
      await until(idle, "no connection is left");
      expect(heard.isSubscribed()).toBe(false);
      const before = heard.count("subscribed");
      await connection.get("key");
      await until(() => heard.count("subscribed") > before, "it is subscribed again");
    }
  });

  /** A key that lies there. */
  async function keyAt(node: ClusterNode): Promise<string> {
    for (let n = 0; ; n++) {
      if ((await cluster.masterOf(`key:${n}`)) === node) return `key:${n}`;
    }
  }
});
