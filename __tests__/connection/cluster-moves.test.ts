import calculateSlot from "cluster-key-slot";
import { afterAll, beforeAll, expect, it } from "@jest/globals";
import { createAuthority } from "../support/certificates.ts";
import { openWatched, rejection } from "../support/connections.ts";
import { type ClusterNode, type RedisCluster, startCluster } from "../support/redis-cluster.ts";
import { until } from "../support/redis-server.ts";

let cluster: RedisCluster;
beforeAll(async () => {
  cluster = await startCluster({
    replicas: 1,
    proxied: true,
    args: ["--cluster-require-full-coverage", "no"],
  });
});
afterAll(() => cluster.stop());

it("nodes that send a command to and fro are not asked without end", async () => {
  const { connection } = openWatched({ redis: cluster.url, deadline: 300 });
  await connection.ready();
  const from = await cluster.masterOf("key");
  const to = (await cluster.masters()).find((node) => node !== from)!;
  const slot = calculateSlot("key");
  await from.client.cluster("SETSLOT", slot, "MIGRATING", to.id);
  await from.client.config("RESETSTAT");
  try {
    const error = await rejection(connection.get("key"));
    expect(error.outcome).toBe("notSent");
    const stats = await from.client.info("commandstats");
    const refused = Number(/cmdstat_get:.*rejected_calls=(\d+)/.exec(stats)?.[1]);
    expect(refused).toBeGreaterThan(1);
    expect(refused).toBeLessThan(10);
  } finally {
    await from.client.cluster("SETSLOT", slot, "STABLE");
  }
});

it("a start with one master that is dead: the keys of the others are served at once", async () => {
  const dead = await cluster.masterOf("key");
  dead.proxy!.blackHole();
  // Outlives a hang of the dead one's socket: only an answer ends it in time.
  const { connection } = openWatched({ redis: cluster.url, connectDeadline: 60_000 });
  const others = Array.from({ length: 100 }, (_, n) => `key${n}`);
  for (const key of others) {
    if ((await cluster.masterOf(key)) !== dead) {
      expect(await connection.get(key)).toBeNull();
      break;
    }
  }
  await connection.close();
  dead.proxy!.release();
});

it("a failover while nobody used the connection: commands find the new master", async () => {
  const { connection } = openWatched({ redis: cluster.url, deadline: 300, idleTimeout: 100 });
  await connection.ready();
  const lost = await cluster.masterOf("key");
  await until(() => connection.state().state === "ready", "all is well");
  expect(await connection.get("key")).toBeNull();
  lost.proxy!.blackHole();
  await cluster.kill(lost, "SIGSTOP");
  await cluster.waitForOk();
  await connection.get("key").catch(() => {});
  const read = () =>
    connection.get("key").then(
      () => true,
      () => false,
    );
  await until(read, "a command succeeds");
  lost.proxy!.release();
  await cluster.kill(lost, "SIGCONT");
});

it("a node that a redirection names is spoken to by the name of its certificate", async () => {
  const authority = await createAuthority();
  const identity = await authority.issue("localhost");
  const encrypted = await startCluster({
    tls: { ca: authority.caFile, cert: identity.certFile, key: identity.keyFile },
    args: ["--cluster-announce-hostname", "localhost"],
  });
  const knowsAll = async ({ client }: ClusterNode): Promise<boolean> =>
    ((await client.cluster("NODES")) as string).split(",localhost ").length === 7;
  await until(
    async () => (await Promise.all(encrypted.nodes.map(knowsAll))).every(Boolean),
    "every node has heard the names of all",
  );
  const old = await encrypted.masterOf("key");
  const heir = await encrypted.replicaOf(old);
  // A node that no topology lists, as it holds no slot and follows nobody.
  await heir.client.cluster("RESET", "SOFT");
  await old.client.call("CLUSTER", "MEET", "127.0.0.1", heir.port, heir.busPort);
  await until(async () => (await Promise.all(encrypted.nodes.map(knowsAll))).every(Boolean), "met");
  const redis = encrypted.url.replaceAll("127.0.0.1", "localhost");
  const { connection, errors } = openWatched({ redis: { url: redis, ca: authority.ca } });
  await connection.ready();
  expect(await connection.get("key")).toBeNull();
  const slot = calculateSlot("key");
  for (const { client } of [heir, ...(await encrypted.masters())]) {
    await client.cluster("SETSLOT", slot, "NODE", heir.id);
  }
  await until(async () => {
    await connection.get("key").catch(() => {});
    return /cmdstat_get:calls=[1-9]/.test(await heir.client.info("commandstats"));
  }, "the new owner answers");
  expect(errors.filter(({ code }) => code === "TLS_CERTIFICATE_REJECTED")).toEqual([]);
  await connection.close();
  await encrypted.stop();
  authority.remove();
});
