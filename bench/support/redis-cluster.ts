/** A private Redis Cluster of three masters with a replica each. */
import calculateSlot from "cluster-key-slot";
import { freePort, type RedisServer, startRedis } from "./redis-server.ts";
import { until } from "./until.ts";

/** How long a node must be silent to be taken for dead, in milliseconds. */
export const NODE_TIMEOUT = 1000;

const MASTERS = 3;
const SLOTS = 16_384;

/** A master that will fail, and the replica that will take its place. */
export interface Shard {
  readonly master: RedisServer;
  readonly replica: RedisServer;
}

/** A Cluster that a benchmark may do anything to. */
export interface RedisCluster {
  readonly ports: readonly number[];
  readonly shards: readonly Shard[];
  /** The shard that holds a key, as the Cluster was made. */
  shardOf(this: void, key: string): Shard;
  stop(this: void): Promise<void>;
}

interface Node extends RedisServer {
  readonly busPort: number;
}

async function startNode(): Promise<Node> {
  const busPort = await freePort();
  const server = await startRedis({
    args: () =>
      [
        ["--cluster-enabled", "yes"],
        ["--cluster-port", `${busPort}`],
        ["--cluster-node-timeout", `${NODE_TIMEOUT}`],
        ["--cluster-announce-ip", "127.0.0.1"],
        ["--repl-diskless-sync-delay", "0"],
      ].flat(),
  });
  return { ...server, busPort };
}

async function addSlots({ client }: RedisServer, index: number): Promise<void> {
  await client.cluster("SET-CONFIG-EPOCH", index + 1);
  if (index >= MASTERS) return;
  const from = Math.ceil((SLOTS * index) / MASTERS);
  const to = Math.ceil((SLOTS * (index + 1)) / MASTERS) - 1;
  await client.call("CLUSTER", "ADDSLOTSRANGE", from, to);
}

async function isComplete({ client }: RedisServer): Promise<boolean> {
  const info = await client.cluster("INFO");
  const replication = await client.info("replication");
  return (
    info.includes("cluster_state:ok") &&
    info.includes(`cluster_known_nodes:${2 * MASTERS}`) &&
    (replication.includes("role:master")
      ? replication.includes("state=online")
      : replication.includes("master_link_status:up"))
  );
}

/** Whether a server is a master by its own account. */
export async function isMaster({ client }: RedisServer): Promise<boolean> {
  const [role] = (await client.role()) as [string];
  return role === "master";
}

/** Starts a Cluster and waits until every master has a replica in step with it. */
export async function startCluster(): Promise<RedisCluster> {
  const nodes: Node[] = [];
  for (let index = 0; index < 2 * MASTERS; index += 1) nodes.push(await startNode());
  await Promise.all(nodes.map(addSlots));
  const [first, ...others] = nodes as [Node, ...Node[]];
  for (const { port, busPort } of others) {
    await first.client.call("CLUSTER", "MEET", "127.0.0.1", port, busPort);
  }
  const isKnown = async ({ client }: RedisServer): Promise<boolean> =>
    (await client.cluster("INFO")).includes(`cluster_known_nodes:${nodes.length}`);
  const areAll = async (hold: (node: RedisServer) => Promise<boolean>): Promise<boolean> =>
    (await Promise.all(nodes.map(hold))).every(Boolean);
  await until(() => areAll(isKnown), "all nodes know each other");
  const shards = nodes.slice(0, MASTERS).map((master, index) => ({
    master,
    replica: nodes[MASTERS + index]!,
  }));
  for (const { master, replica } of shards) {
    await replica.client.cluster("REPLICATE", await master.client.cluster("MYID"));
  }
  await until(() => areAll(isComplete), "every master has its replica");
  return {
    ports: nodes.map(({ port }) => port),
    shards,
    shardOf: (key) => shards[Math.floor((calculateSlot(key) * MASTERS) / SLOTS)]!,
    stop: async () => void (await Promise.all(nodes.map((node) => node.stop()))),
  };
}
