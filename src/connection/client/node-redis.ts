/** A client of node-redis (version 5 or later) that the application made, or its cluster. */
import type { ClientTarget } from "../../config/redis-target.ts";
import type { HostPolicy } from "../../config/tls-policy.ts";
import type { Command, SendOptions } from "../channel.ts";
import { closedByApplication, explainFailure, notConnected } from "./failures.ts";
import { judgePlainHost } from "./sockets.ts";
import type { Obstacle, Wire } from "./wire.ts";

type Words = (string | Buffer)[];

/** As far as versions 5 and 6 have it in common. */
interface NodeRedis {
  readonly isOpen: boolean;
  readonly isReady: boolean;
  sendCommand(words: Words, options: object): Promise<unknown>;
}

interface ClusterNode {
  readonly host: string;
}

/** As far as versions 5 and 6 have it in common. */
interface NodeRedisCluster {
  readonly isOpen: boolean;
  readonly masters: readonly ClusterNode[];
  readonly replicas: readonly ClusterNode[];
  nodeClient(node: ClusterNode): NodeRedis | Promise<NodeRedis>;
  sendCommand(key: string, isReadonly: boolean, words: Words, options: object): Promise<unknown>;
}

/** RESP's bulk strings, `$`: node-redis names reply types by the byte that begins them. */
const BULK_STRING = "$".codePointAt(0)!;
const BYTES = Object.freeze({ [BULK_STRING]: Buffer });
/** In place of what the client's own `commandOptions` may say. */
const TEXT = Object.freeze({});

function wordsOf(command: Command): Words {
  return command.map((part) => (typeof part === "number" ? String(part) : part));
}

function optionsOf({ bytes }: SendOptions, abortSignal: AbortSignal): object {
  return { typeMapping: bytes === true ? BYTES : TEXT, abortSignal };
}

function wireOver(client: NodeRedis, target: ClientTarget): Wire {
  const wire: Wire = {
    obstacle: () => {
      if (client.isReady) return undefined;
      return client.isOpen ? notConnected(target, "connecting") : closedByApplication(target);
    },
    transmit: (command, options, signal) =>
      client.sendCommand(wordsOf(command), optionsOf(options, signal)),
    explain: (error, command, what) => explainFailure(error, command, what, target, true),
    masters: async () => [wire],
  };
  return wire;
}

/** Speaks through a client. Its sockets cannot be seen: its options were judged instead. */
export function nodeRedisWire(target: ClientTarget): Wire {
  return wireOver(target.client as NodeRedis, target);
}

/**
 * Speaks through a cluster, which finds the node of each key itself. All nodes are opened with its
 * `defaults`; where those ask for no TLS, each host that it names is judged before the next command.
 */
export function nodeRedisClusterWire(target: ClientTarget, hosts: HostPolicy): Wire {
  const cluster = target.client as NodeRedisCluster;
  const accepted = new WeakSet<ClusterNode>();
  const judge = (node: ClusterNode): Obstacle | undefined => {
    if (target.isEncrypted || accepted.has(node)) return undefined;
    const refusal = judgePlainHost(target, hosts, node.host);
    if (refusal === undefined) accepted.add(node);
    return refusal;
  };
  const obstacle = (): Obstacle | undefined => {
    if (!cluster.isOpen) return closedByApplication(target);
    if (cluster.masters.length === 0) return notConnected(target, "discovering its nodes");
    for (const nodes of [cluster.masters, cluster.replicas]) {
      for (const node of nodes) {
        const refusal = judge(node);
        if (refusal) return refusal;
      }
    }
    return undefined;
  };
  const anyNode = async (): Promise<NodeRedis> => {
    const { masters } = cluster;
    return cluster.nodeClient(masters[Math.floor(Math.random() * masters.length)]!);
  };
  return {
    obstacle,
    transmit: async (command, options, signal) => {
      const { key } = options;
      const words = wordsOf(command);
      const how = optionsOf(options, signal);
      if (key !== undefined) return cluster.sendCommand(key, false, words, how);
      return (await anyNode()).sendCommand(words, how);
    },
    explain: (error, command, what) => explainFailure(error, command, what, target, true),
    masters: async () =>
      Promise.all(
        cluster.masters.map(async (node) => wireOver(await cluster.nodeClient(node), target)),
      ),
  };
}
