/** A Cluster whose servers are well, while the way to one of them is not. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { openWatched, type Watched } from "../support/connections.ts";
import { type Load, startLoad } from "../support/load.ts";
import { type ClusterNode, type RedisCluster, startCluster } from "../support/redis-cluster.ts";
import { until } from "../support/redis-server.ts";
import { kitConnections } from "../support/server-group.ts";
import type { TcpProxy } from "../support/tcp-proxy.ts";

let cluster: RedisCluster;
let watched: Watched;
/** One key on the server whose way is harmed, and two on the others. */
let harmed: Load;
let spared: Load;
let node: ClusterNode;
let proxy: TcpProxy;
beforeAll(async () => {
  cluster = await startCluster({ replicas: 0, proxied: true });
  node = await cluster.masterOf("a");
  proxy = node.proxy!;
}, 30_000);
beforeEach(async () => {
  await cluster.flush();
  watched = openWatched({ redis: cluster.url });
  await watched.connection.ready();
  harmed = startLoad(watched.connection, { keys: ["a"] });
  spared = startLoad(watched.connection, { keys: ["b", "c"] });
  await Promise.all([harmed.answered(10), spared.answered(10)]);
});
afterAll(() => cluster.stop());

const clientOf = async (key: string) => (await cluster.masterOf(key)).client;

/** Both loads agree with the servers, the other servers were not harmed, and no connection is left over. */
async function expectRecovery(): Promise<void> {
  await Promise.all([harmed.answered(10), spared.answered(10)]);
  expect(await harmed.audit(clientOf)).toEqual([]);
  expect(await spared.audit(clientOf)).toEqual([]);
  expect(spared.codes()).toEqual([]);
  expect(harmed.count("unexplained")).toBe(0);
  await until(() => watched.connection.state().state === "ready", "all servers are reached");
  expect(watched.connection.state().problem).toBeUndefined();
  await until(
    async () => (await Promise.all(cluster.nodes.map(kitConnections))).join() === "1,1,1",
    "one connection to each",
  );
}

describe("the way to one server", () => {
  it.each<[string, () => unknown, () => unknown]>([
    ["a black hole", () => proxy.blackHole(), () => proxy.release()],
    ["answers that are held back", () => proxy.holdAnswers(), () => proxy.release()],
    ["answers that come too late", () => proxy.delayAnswers(600), () => proxy.delayAnswers(0)],
    ["a frozen server", () => cluster.kill(node, "SIGSTOP"), () => cluster.kill(node, "SIGCONT")],
  ])("%s: the keys of the others are served, and it heals", async (_name, begin, end) => {
    await begin();
    await harmed.failed(20);
    await spared.answered(20);
    await end();
    await expectRecovery();
  });

  it.each<[string, () => unknown]>([
    ["a cut with RST", () => proxy.cut("reset")],
    ["a cut with FIN", () => proxy.cut("end")],
    ["an answer that ends half-way", () => proxy.truncateNextAnswer(5)],
  ])("%s: the keys of the others are served, and it heals", async (_name, strike) => {
    for (let round = 0; round < 5; round++) {
      const before = proxy.accepted();
      await strike();
      await until(() => proxy.accepted() > before, "a new connection is made");
      await harmed.answered(2);
    }
    await expectRecovery();
  });
});

describe("the whole Cluster", () => {
  it("that is killed and started again is found again", async () => {
    await Promise.all([harmed.pause(), spared.pause()]);
    for (const one of cluster.nodes) await cluster.kill(one, "SIGKILL");
    // Its data is gone with it, and what was counted.
    await Promise.all([harmed.audit(emptied), spared.audit(emptied)]);
    const load = startLoad(watched.connection, { keys: ["a", "b", "c"] });
    await load.failed(10);
    for (const one of cluster.nodes) await cluster.restart(one);
    await cluster.waitForOk();
    await load.answered(10);
    expect(await load.audit(clientOf)).toEqual([]);
    expect(load.count("unexplained")).toBe(0);
    expect(watched.connection.state()).toMatchObject({ state: "ready", problem: undefined });
  });
});

/** Holds nothing. */
const emptied = () => ({ hgetall: async () => ({}) });
