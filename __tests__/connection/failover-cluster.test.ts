/** A Cluster that loses a master, or moves its slots, under load. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import calculateSlot from "cluster-key-slot";
import { openWatched, rejection, type Watched } from "../support/connections.ts";
import { type Load, startLoad } from "../support/load.ts";
import { type ClusterNode, type RedisCluster, startCluster } from "../support/redis-cluster.ts";
import { until } from "../support/redis-server.ts";
import { kitConnections, waitForCopies } from "../support/server-group.ts";

/** Slots on the first, second and third master. */
const KEYS = ["b", "c", "a"];

let cluster: RedisCluster;
let watched: Watched;
let load: Load;
beforeAll(async () => {
  cluster = await startCluster();
}, 30_000);
beforeEach(async () => {
  await cluster.waitForOk();
  await cluster.flush();
  watched = openWatched({ redis: cluster.url });
  await watched.connection.ready();
  load = startLoad(watched.connection, { keys: KEYS });
  await load.answered(20);
});
afterAll(() => cluster.stop());

const clientOf = async (key: string) => (await cluster.masterOf(key)).client;

/** One connection to each master, none to a replica, once nothing more is under way. */
async function expectOneConnectionEach(): Promise<void> {
  const masters = new Set(await cluster.masters());
  expect(masters.size).toBe(3);
  let counts: number[] = [];
  const wanted = cluster.live().map((node) => (masters.has(node) ? 1 : 0));
  await until(async () => {
    counts = await Promise.all(cluster.live().map(kitConnections));
    return counts.join() === wanted.join();
  }, "one connection to each master, and no other").catch(() => expect(counts).toEqual(wanted));
}

/** Stops the load while everything that was answered reaches the replica, and strikes then. */
async function strikeInStep(node: ClusterNode, signal: NodeJS.Signals): Promise<void> {
  await load.pause();
  await waitForCopies(node, 1);
  await cluster.kill(node, signal);
  load.resume();
}

async function expectService(): Promise<void> {
  await load.answered(20);
  expect(await load.audit(clientOf)).toEqual([]);
  expect(load.count("unexplained")).toBe(0);
  expect(watched.connection.state()).toMatchObject({ state: "ready", problem: undefined });
  await expectOneConnectionEach();
}

it("keys of the load lie on three masters", async () => {
  expect(new Set(await Promise.all(KEYS.map((key) => cluster.masterOf(key)))).size).toBe(3);
  expect(await load.audit(clientOf)).toEqual([]);
  expect(load.codes()).toEqual([]);
  await expectOneConnectionEach();
});

describe("a master that is lost", () => {
  it("by SIGKILL: its replica takes over, the rest goes on, nothing runs twice", async () => {
    const lost = await cluster.masterOf(KEYS[0]!);
    await strikeInStep(lost, "SIGKILL");
    await load.answered(20);
    await cluster.waitForOk();
    await expectService();
    await cluster.restart(lost);
    await cluster.waitForOk();
    await expectOneConnectionEach();
  });

  it("by SIGKILL with commands in flight, which it never ran", async () => {
    const lost = await cluster.masterOf(KEYS[1]!);
    await strikeInStep(lost, "SIGSTOP");
    await load.failed(1);
    await cluster.kill(lost, "SIGKILL");
    await load.answered(20);
    await cluster.waitForOk();
    await expectService();
    await cluster.restart(lost);
  });

  it("by SIGSTOP: its replica takes over, and what it thaws to changes nothing", async () => {
    const lost = await cluster.masterOf(KEYS[2]!);
    await strikeInStep(lost, "SIGSTOP");
    await load.answered(20);
    await cluster.kill(lost, "SIGCONT");
    await cluster.waitForOk();
    await expectService();
  });

  it("by SIGKILL while the load goes on: what was not sent did not run, no answer is wrong", async () => {
    const lost = await cluster.masterOf(KEYS[0]!);
    await cluster.kill(lost, "SIGKILL");
    await load.answered(20);
    await cluster.waitForOk();
    // Redis itself may lose what it answered before its replica had it.
    const complaints = await load.audit(clientOf);
    expect(complaints.filter((text) => !text.endsWith("answered, ran 0"))).toEqual([]);
    await expectOneConnectionEach();
    await cluster.restart(lost);
  });
});

describe("a change that is planned", () => {
  it("CLUSTER FAILOVER: no command fails", async () => {
    const old = await cluster.masterOf(KEYS[0]!);
    const heir = await cluster.replicaOf(old);
    await waitForCopies(old, 1);
    await heir.client.cluster("FAILOVER");
    await until(
      async () => (await cluster.masterOf(KEYS[0]!)) === heir,
      "the replica is the master",
    );
    await load.answered(20);
    await cluster.waitForOk();
    await expectService();
    expect(load.codes()).toEqual([]);
  });

  it("a slot that is moved with its key: no command fails", async () => {
    const key = KEYS[0]!;
    const slot = calculateSlot(key);
    const from = await cluster.masterOf(key);
    const to = await cluster.masterOf(KEYS[1]!);
    await to.client.cluster("SETSLOT", slot, "IMPORTING", from.id);
    await from.client.cluster("SETSLOT", slot, "MIGRATING", to.id);
    await load.answered(10);
    await from.client.migrate("127.0.0.1", to.port, key, 0, 5000);
    // The old owner answers ASK from now on.
    await load.answered(10);
    await to.client.cluster("SETSLOT", slot, "NODE", to.id);
    await from.client.cluster("SETSLOT", slot, "NODE", to.id);
    await cluster.waitForOk();
    expect(await cluster.masterOf(key)).toBe(to);
    await expectService();
    expect(load.codes()).toEqual([]);
    await moveBack(slot, to, from, key);
  });
});

describe("a slot that nobody holds for a while", () => {
  it("costs its keys an error that says so, and heals when it is assigned", async () => {
    const key = KEYS[0]!;
    const slot = calculateSlot(key);
    const owner = await cluster.masterOf(key);
    expect(await load.audit(clientOf)).toEqual([]);
    await cluster.flush();
    // No other command leads the kit to ask anew who holds what.
    load = startLoad(watched.connection, { keys: [key] });
    await load.answered(5);
    for (const { client } of cluster.nodes) await client.cluster("DELSLOTS", slot);
    await load.failed(5);
    await until(
      () => rejection(watched.connection.get(key)).then((error) => error.message.includes("slot")),
      "the kit knows that nobody holds it",
    );
    await owner.client.cluster("ADDSLOTS", slot);
    await cluster.waitForOk();
    await expectService();
    expect(load.count("maybeExecuted")).toBe(0);
  });
});

async function moveBack(slot: number, from: ClusterNode, to: ClusterNode, key: string) {
  await to.client.cluster("SETSLOT", slot, "IMPORTING", from.id);
  await from.client.cluster("SETSLOT", slot, "MIGRATING", to.id);
  await from.client.migrate("127.0.0.1", to.port, key, 0, 5000);
  await to.client.cluster("SETSLOT", slot, "NODE", to.id);
  await from.client.cluster("SETSLOT", slot, "NODE", to.id);
  await cluster.waitForOk();
}
