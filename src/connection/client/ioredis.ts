/** An ioredis `Redis` of the application's, and each node of its `Cluster`. */
import type { Socket } from "node:net";
import calculateSlot from "cluster-key-slot";
import type { ClientTarget } from "../../config/redis-target.ts";
import type { HostPolicy } from "../../config/tls-policy.ts";
import type { Command, Part, SendOptions } from "../channel.ts";
import { closedByApplication, explainFailure, notConnected } from "./failures.ts";
import { createSocketJudge, judgePlainHost, type SocketJudge } from "./sockets.ts";
import type { Obstacle, Wire } from "./wire.ts";

type Call = (name: string, ...parts: Part[]) => Promise<unknown>;

interface Caller {
  readonly status: string;
  call: Call;
  callBuffer: Call;
  connect(): Promise<void>;
}

/** As far as ioredis 5 and 6 have it in common. */
export interface Ioredis extends Caller {
  readonly options: { readonly host?: string; readonly port?: number; readonly tls?: unknown };
  /** The socket in use. */
  readonly stream?: Socket;
}

/** As far as ioredis 5 and 6 have it in common. */
export interface IoredisCluster extends Caller {
  /** By slot: the addresses of its master and then of its replicas. */
  readonly slots: readonly (readonly string[] | undefined)[];
  nodes(role: "all" | "master"): Ioredis[];
}

/** Lower case, because ioredis 5 looks up by it which parts are keys. */
function callOn(client: Caller, [name, ...parts]: Command, { bytes }: SendOptions) {
  const word = name.toLowerCase();
  return bytes === true ? client.callBuffer(word, ...parts) : client.call(word, ...parts);
}

/** What a client's status says, before its sockets are looked at. */
function statusObstacle(client: Caller, target: ClientTarget): Obstacle | undefined {
  const { status } = client;
  if (status === "ready") return undefined;
  if (status === "end") return closedByApplication(target);
  // Made with `lazyConnect`: any first command would do the same.
  if (status === "wait") client.connect().catch(() => {}); // Told by the client's own events.
  return notConnected(target, status);
}

/** ioredis writes a command at once only to such a socket; otherwise it keeps it for the next. */
function isWritable(stream: Socket | undefined): stream is Socket {
  return stream !== undefined && stream.writable && !stream.writableEnded;
}

function nodeObstacle(
  client: Ioredis,
  target: ClientTarget,
  judge: SocketJudge,
): Obstacle | undefined {
  const { stream, options } = client;
  return (
    statusObstacle(client, target) ??
    (isWritable(stream) ? judge(stream, options.host) : notConnected(target, "lost"))
  );
}

function wireOver(client: Ioredis, target: ClientTarget, judge: SocketJudge): Wire {
  const wire: Wire = {
    obstacle: () => nodeObstacle(client, target, judge),
    transmit: (command, options) => callOn(client, command, options),
    explain: (error, command, what) => explainFailure(error, command, what, target, true),
    masters: async () => [wire],
  };
  return wire;
}

/** Speaks through a `Redis`. */
export function ioredisWire(target: ClientTarget, hosts: HostPolicy): Wire {
  // A Sentinel's master is known by its address alone; `host` is a default there.
  const isSentinel = target.address.includes("+sentinel:");
  const judge = createSocketJudge(target, hosts);
  return wireOver(target.client as Ioredis, target, (socket, host) =>
    judge(socket, isSentinel ? undefined : host),
  );
}

/**
 * Speaks through a `Cluster`, which finds the node of each key itself.
 *
 * A command is handed over only if the node that holds its slot is connected and its socket may carry it,
 * and if no other node is one that may not. A node that the Cluster first hears of from MOVED or ASK,
 * during a command, is opened by the Cluster with its `redisOptions`: encrypted where those ask for TLS.
 * Where they do not, it is judged before the next command.
 */
export function ioredisClusterWire(target: ClientTarget, hosts: HostPolicy): Wire {
  const cluster = target.client as IoredisCluster;
  const judge = createSocketJudge(target, hosts);
  const judgeAny = (node: Ioredis): Obstacle | undefined => {
    const { stream, options } = node;
    if (node.status === "ready" && isWritable(stream)) return judge(stream, options.host);
    return options.tls ? undefined : judgePlainHost(target, hosts, options.host ?? "127.0.0.1");
  };
  const obstacle = (key: string | undefined): Obstacle | undefined => {
    const unready = statusObstacle(cluster, target);
    if (unready) return unready;
    const nodes = cluster.nodes("all");
    for (const node of nodes) {
      const refusal = judgeAny(node);
      if (refusal && !refusal.mayPass) return refusal;
    }
    const address = key === undefined ? undefined : cluster.slots[calculateSlot(key)]?.[0];
    const owner = nodes.find(({ options }) => `${options.host}:${options.port}` === address);
    return owner && nodeObstacle(owner, target, judge);
  };
  return {
    obstacle,
    transmit: (command, options) => callOn(cluster, command, options),
    explain: (error, command, what) => explainFailure(error, command, what, target, true),
    masters: async () => cluster.nodes("master").map((node) => wireOver(node, target, judge)),
  };
}
