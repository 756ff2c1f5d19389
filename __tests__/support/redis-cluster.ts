/** Private Redis Clusters for tests: real nodes on loopback ports, ended by pid. */
import calculateSlot from "cluster-key-slot";
import { lastingPort } from "./ports.ts";
import { startRedis, until } from "./redis-server.ts";
import { startProxy, type TcpProxy } from "./tcp-proxy.ts";
import { createGroup, type Group, type Member, replicationOf } from "./server-group.ts";

/** One server of a Cluster. */
export interface ClusterNode extends Member {
  /** What it was made as; a failover changes what it is. */
  readonly role: "master" | "replica";
  readonly id: string;
  /** Where the other nodes reach it. */
  readonly busPort: number;
  /** What clients come through, where that was asked for. */
  readonly proxy: TcpProxy | undefined;
}

/** A Cluster that a test may do anything to. */
export interface RedisCluster extends Group<ClusterNode> {
  /** All nodes as `REDIS_URL` names them, with the password where there is one. */
  readonly url: string;
  readonly nodes: readonly ClusterNode[];
  /** Nodes whose process runs and is not frozen. */
  live(): readonly ClusterNode[];
  /** Masters that hold slots now, as the live nodes see it. */
  masters(): Promise<readonly ClusterNode[]>;
  /** The node that holds a key now. */
  masterOf(key: string): Promise<ClusterNode>;
  /** A live replica of a master now. */
  replicaOf(master: ClusterNode): Promise<ClusterNode>;
  /** Waits until all live nodes agree: every slot has a live master, every live replica is in step. */
  waitForOk(): Promise<void>;
  /** Empties all masters. */
  flush(): Promise<void>;
  stop(): Promise<void>;
}

/** What {@link startCluster} can be told. */
export interface ClusterOptions {
  /** Default: 3. */
  masters?: number;
  /** Of each master. Default: 1. */
  replicas?: number;
  /** Speak TLS only, on the bus too, with these files. */
  tls?: { ca: string; cert: string; key: string };
  /** Asked of clients and between nodes. Default: none. */
  password?: string;
  /** Put a proxy before every node, and let the nodes name it to clients. Default: no. */
  proxied?: boolean;
  /** Further arguments for every node, as on redis-server's command line. */
  args?: readonly string[];
}

/** How long a node must be silent to be taken for dead, in milliseconds. */
const NODE_TIMEOUT = 1000;
const SLOTS = 16_384;

function argumentsOf(port: number, busPort: number, options: ClusterOptions): string[] {
  const { tls, password, args = [] } = options;
  return [
    ["--cluster-enabled", "yes"],
    ["--cluster-announce-ip", "127.0.0.1"],
    ["--cluster-port", String(busPort)],
    ["--cluster-node-timeout", String(NODE_TIMEOUT)],
    ["--cluster-replica-validity-factor", "0"],
    ["--repl-diskless-sync-delay", "0"],
    ...(tls
      ? [
          ["--port", "0"],
          ["--tls-port", String(port)],
          ["--tls-cluster", "yes"],
          ["--tls-replication", "yes"],
          ["--tls-auth-clients", "no"],
          ["--tls-ca-cert-file", tls.ca],
          ["--tls-cert-file", tls.cert],
          ["--tls-key-file", tls.key],
        ]
      : [["--port", String(port)]]),
    ...(password === undefined
      ? []
      : [
          ["--requirepass", password],
          ["--masterauth", password],
        ]),
    args,
  ].flat();
}

async function startNode(role: ClusterNode["role"], options: ClusterOptions): Promise<ClusterNode> {
  const port = await lastingPort();
  const busPort = await lastingPort();
  const proxy = options.proxied ? await startProxy({ port }) : undefined;
  const announced = proxy ? ["--cluster-announce-port", String(proxy.port)] : [];
  const args = [...argumentsOf(port, busPort, options), ...announced];
  const server = await startRedis({ args });
  const { client } = server;
  if (options.password !== undefined) client.options.password = options.password;
  const id = await client.cluster("MYID");
  return { port, busPort, role, id, server, client, proxy };
}

/** One line of CLUSTER NODES. */
interface Seen {
  readonly id: string;
  readonly flags: readonly string[];
  /** The id of its master, or `-`. */
  readonly master: string;
  readonly ranges: readonly string[];
}

async function view({ client }: ClusterNode): Promise<Seen[]> {
  const text = (await client.cluster("NODES")) as string;
  return text
    .trim()
    .split("\n")
    .map((line) => {
      const [id = "", , flags = "", master = "", , , , , ...ranges] = line.split(" ");
      return { id, flags: flags.split(","), master, ranges };
    });
}

async function join(nodes: readonly ClusterNode[], masters: number): Promise<void> {
  const [first, ...others] = nodes as [ClusterNode, ...ClusterNode[]];
  await Promise.all(
    nodes.map(async ({ client }, index) => {
      await client.cluster("SET-CONFIG-EPOCH", index + 1);
      if (index >= masters) return;
      const from = Math.ceil((SLOTS * index) / masters);
      const to = Math.ceil((SLOTS * (index + 1)) / masters) - 1;
      await client.call("CLUSTER", "ADDSLOTSRANGE", from, to);
    }),
  );
  for (const { port, busPort } of others) {
    await first.client.call("CLUSTER", "MEET", "127.0.0.1", port, busPort);
  }
  const isMet = async (node: ClusterNode): Promise<boolean> => {
    const seen = await view(node);
    return seen.length === nodes.length && !seen.some(({ flags }) => flags.includes("handshake"));
  };
  await until(async () => (await Promise.all(nodes.map(isMet))).every(Boolean), "all nodes met");
  await Promise.all(
    nodes
      .slice(masters)
      .map(({ client }, index) => client.cluster("REPLICATE", nodes[index % masters]!.id)),
  );
}

/**
 * Who holds which slots and who follows whom as a node sees it; undefined unless that is a whole Cluster of
 * live masters, which the node follows in step if it is a replica.
 */
async function layoutSeenBy(
  node: ClusterNode,
  live: ReadonlySet<string>,
): Promise<string | undefined> {
  if (!(await node.client.cluster("INFO")).includes("cluster_state:ok")) return undefined;
  const replication = await replicationOf(node);
  if (replication.get("role") === "slave" && replication.get("master_link_status") !== "up") {
    return undefined;
  }
  const seen = await view(node);
  const isWhole = seen.every(({ id, flags, ranges }) => {
    const isFailing = flags.some((flag) => flag.startsWith("fail"));
    return live.has(id) ? !isFailing : ranges.length === 0;
  });
  if (!isWhole) return undefined;
  return seen
    .filter(({ id }) => live.has(id))
    .map(({ id, master, ranges }) => `${id} ${master} ${ranges.join(" ")}`)
    .toSorted()
    .join("\n");
}

function holds(ranges: readonly string[], slot: number): boolean {
  return ranges.some((range) => {
    const [from = "", to = from] = range.split("-");
    return Number(from) <= slot && slot <= Number(to);
  });
}

/** Starts a Cluster and waits until every node serves, and every replica is in step. */
export async function startCluster(options: ClusterOptions = {}): Promise<RedisCluster> {
  const { masters = 3, replicas = 1, password, tls } = options;
  const nodes = await Promise.all(
    Array.from({ length: masters * (1 + replicas) }, (_, index) =>
      startNode(index < masters ? "master" : "replica", options),
    ),
  );
  const group = createGroup<ClusterNode>();
  const live = (): ClusterNode[] => nodes.filter((node) => group.isLive(node));
  const byId = (id: string): ClusterNode => nodes.find((node) => node.id === id)!;
  const owners = async (): Promise<Seen[]> => {
    const seen = await view(live()[0]!);
    return seen.filter(({ ranges }) => ranges.length > 0);
  };
  const cluster: RedisCluster = {
    ...group,
    nodes,
    url: nodes
      .map(({ port, proxy }) => `127.0.0.1:${proxy?.port ?? port}`)
      .join(",")
      .replace(/^/, `redis${tls ? "s" : ""}://${password === undefined ? "" : `:${password}@`}`),
    live,
    masters: async () => (await owners()).map(({ id }) => byId(id)),
    masterOf: async (key) => {
      const slot = calculateSlot(key);
      let id: string | undefined;
      // While a failover is being told around, a node may know no owner.
      await until(async () => {
        id = (await owners()).find(({ ranges }) => holds(ranges, slot))?.id;
        return id !== undefined;
      }, "somebody holds the slot");
      return byId(id!);
    },
    replicaOf: async (master) => {
      const seen = await view(master);
      const ids = new Set(seen.filter((node) => node.master === master.id).map(({ id }) => id));
      return live().find(({ id }) => ids.has(id))!;
    },
    waitForOk: () =>
      until(
        async () => {
          const alive = live();
          const ids = new Set(alive.map(({ id }) => id));
          const [layout, ...others] = await Promise.all(
            alive.map((node) => layoutSeenBy(node, ids)),
          );
          return layout !== undefined && others.every((other) => other === layout);
        },
        "the Cluster is whole",
        15_000,
      ),
    flush: async () => {
      await Promise.all((await cluster.masters()).map(({ client }) => client.flushall()));
    },
    stop: async () => {
      await Promise.all(
        nodes.map(async ({ proxy, server }) => {
          await proxy?.stop();
          await server.stop();
        }),
      );
    },
  };
  await join(nodes, masters);
  await cluster.waitForOk();
  return cluster;
}
