/** Where rounds are run: in memory, on a server, on a Cluster. */
import calculateSlot from "cluster-key-slot";
import type { Redis } from "ioredis";
import { resolveConfig } from "../../src/config.ts";
import { createMemory } from "../../src/connection/memory/memory.ts";
import { openConnection } from "../../src/connection/open.ts";
import type { Connection } from "../../src/connection/port.ts";

/** What stands in a place. */
export interface Keys {
  readonly count: number;
  readonly slots: ReadonlySet<number>;
  /** Keys without a time to live. */
  readonly unending: readonly string[];
}

/** A database, and ways to it. */
export interface Place {
  /** Whether all keys are in one process's memory, on one server, or on several. */
  readonly kind: "memory" | "redis" | "cluster";
  /** Opens a connection of its own. */
  open(): Connection;
  /** Looks at all keys of all nodes, and empties them. */
  sweep(): Promise<Keys>;
}

function keysOf(all: ReadonlyMap<string, boolean>): Keys {
  const names = [...all.keys()];
  return {
    count: names.length,
    slots: new Set(names.map((name) => calculateSlot(name))),
    unending: names.filter((name) => all.get(name) !== true),
  };
}

/** Processes that share one memory. */
export function memoryPlace(): Place {
  const memory = createMemory();
  return {
    kind: "memory",
    open: () => memory,
    sweep: async () => {
      const all = new Map<string, boolean>();
      for await (const keys of memory.scan(""))
        for (const key of keys) all.set(key, (await memory.pttl(key)) !== undefined);
      for (const key of all.keys()) await memory.del(key);
      return keysOf(all);
    },
  };
}

/** @param nodes all servers, replicas included */
export function serverPlace(
  kind: "redis" | "cluster",
  url: string,
  nodes: readonly Redis[],
): Place {
  const logger = { info: () => {}, warn: () => {}, error: () => {} };
  // A machine that is busy with other work must not be taken for a server that is away.
  const deadlines = { deadline: "20s", connectDeadline: "20s" } as const;
  const config = resolveConfig({ redis: url, logger, ...deadlines }, { NODE_ENV: "production" });
  const sweepNode = async (node: Redis, all: Map<string, boolean>): Promise<void> => {
    const names = await node.keys("*");
    const pipeline = node.pipeline();
    for (const name of names) pipeline.pttl(name);
    const ttls = (await pipeline.exec()) ?? [];
    for (const [place, name] of names.entries()) {
      const isEnding = ttls[place]?.[1] !== -1;
      all.set(name, isEnding && all.get(name) !== false);
    }
  };
  return {
    kind,
    // What fails is told by the command that does.
    open: () =>
      openConnection(config, { connection: () => {}, error: () => {}, fallback: () => {} }),
    sweep: async () => {
      const all = new Map<string, boolean>();
      for (const node of nodes) await sweepNode(node, all);
      const roles = await Promise.all(nodes.map((node) => node.role()));
      const masters = nodes.filter((_node, place) => roles[place]?.[0] === "master");
      await Promise.all(masters.map((node) => node.flushall()));
      return keysOf(all);
    },
  };
}
